// How much memory the engine takes: to load the default model little beside a bundle's files, and for a call no more for many documents than for few.
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { needCli, needMiniLm, needWasm } from "./lib/paths.mjs";
import { longTexts } from "./lib/texts.mjs";
import { GROWTH, inMB, MB, MODULES, openLoaded } from "./lib/wasm-memory.mjs";

before(() => {
  needWasm();
  needCli();
  needMiniLm();
});

for (const dtype of ["f32", "f16", "q8", "q4"]) {
  it(`the default model in ${dtype}`, { timeout: 120_000 }, async (test) => {
    const { folder, path } = prepareBundle(`memory-${dtype}`, "models/all-MiniLM-L6-v2", dtype);
    const bundle = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    const limit = 1.5 * bundle + 100 * MB;
    for (const [simd, module] of Object.entries(MODULES)) {
      const taken = await memoryOf(path, module);
      const text = `${dtype}, ${simd}: ${inMB(taken)} for a bundle of ${inMB(bundle)}; at most ${inMB(limit)}`;
      test.diagnostic(text);
      assert.ok(taken < limit, text);
    }
  });
}

// `make memory` has the whole: up to 1,000 documents.
for (const [what, call] of Object.entries({
  rerank: (engine, documents) => engine.rerank(documents, { topK: 10 }),
  "rerank with explanations": (engine, documents) => engine.rerank(documents, { topK: 10, explain: true }),
  "encodeDocuments": (engine, documents) => engine.encode(documents),
})) {
  it(`${what}: 150 documents of 256 tokens beside 10`, { timeout: 180_000 }, async (test) => {
    const { path } = prepareBundle("memory-calls", "models/all-MiniLM-L6-v2", "q8");
    const engine = await openLoaded(path, MODULES["relaxed SIMD"]);
    try {
      const documents = longTexts(150);
      await call(engine, documents.slice(0, 10));
      const few = await engine.memory();
      await call(engine, documents);
      const many = await engine.memory();
      test.diagnostic(`${what}: ${inMB(few)} after 10 documents, ${inMB(many)} after 150; at most ${inMB(GROWTH)} more`);
      assert.ok(many - few <= GROWTH);
    } finally {
      await engine.close();
    }
  });
}

/** Bytes that an instance of its own takes by loading the bundle. */
async function memoryOf(path, module) {
  const engine = await openLoaded(path, module);
  try {
    return await engine.memory();
  } finally {
    await engine.close();
  }
}
