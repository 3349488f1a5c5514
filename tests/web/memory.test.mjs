// How much memory the engine takes to load the default model: little beside a bundle's files.
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openEngine } from "./lib/engine.mjs";
import { needCli, needMiniLm, needWasm } from "./lib/paths.mjs";

const MB = 1e6;
/** They hold quantized weights in different ways. */
const MODULES = { "plain SIMD": "tabrank_bg.wasm", "relaxed SIMD": "tabrank_relaxed_bg.wasm" };

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

/** Bytes that an instance of its own takes by loading the bundle. */
async function memoryOf(path, module) {
  const engine = await openEngine({ webgpu: false, module });
  try {
    await engine.call("describe", { checkpoint: engine.url(path), expected: engine.url("fixtures/minilm/") }, "cpu");
    return await engine.call("memory");
  } finally {
    await engine.close();
  }
}

function inMB(bytes) {
  return `${(bytes / MB).toFixed(1)} MB`;
}
