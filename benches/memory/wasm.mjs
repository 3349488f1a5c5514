// Peak memory of the wasm module for calls of the default model in q8, each in an instance of its own.
import { prepareBundle } from "../../tests/web/lib/bundles.mjs";
import { needCli, needMiniLm, needWasm } from "../../tests/web/lib/paths.mjs";
import { longTexts } from "../../tests/web/lib/texts.mjs";
import { GROWTH, inMB, MODULES, openLoaded } from "../../tests/web/lib/wasm-memory.mjs";

const COUNTS = [10, 100, 1000];

const CALLS = {
  "rerank, topK 10": (engine, documents) => engine.rerank(documents, { topK: 10 }),
  "rerank, topK 10, explain": (engine, documents) => engine.rerank(documents, { topK: 10, explain: true }),
  encodeDocuments: (engine, documents) => engine.encode(documents),
};

/** Which calls either module makes: a thousand documents take a minute or more. */
const RUNS = [
  ["relaxed SIMD", Object.keys(CALLS)],
  ["plain SIMD", ["rerank, topK 10"]],
];

export async function wasm() {
  for (const need of [needWasm, needCli, needMiniLm]) need();
  const { path } = prepareBundle("memory-bench", "models/all-MiniLM-L6-v2", "q8");
  const rows = [["wasm memory", "loaded", ...COUNTS.map((count) => `${count.toLocaleString("en")} documents`), "growth"]];
  const wrong = [];
  for (const [simd, names] of RUNS) {
    for (const name of names) {
      const label = `${name} (${simd})`;
      const measured = [];
      for (const count of COUNTS) measured.push(await measure(path, MODULES[simd], CALLS[name], count, label));
      const growth = measured.at(-1).used - measured[0].used;
      rows.push([label, inMB(measured[0].loaded), ...measured.map(({ used }) => inMB(used)), inMB(growth)]);
      if (growth > GROWTH) wrong.push(`${label} takes ${inMB(growth)} more for ${COUNTS.at(-1)} documents than for ${COUNTS[0]}; at most ${inMB(GROWTH)}`);
    }
  }
  return [{ title: `all-MiniLM-L6-v2, q8, CPU, documents of 256 tokens; at most ${inMB(GROWTH)} growth`, rows, wrong }];
}

async function measure(path, module, call, count, label) {
  process.stderr.write(`${label}: ${count} documents\n`);
  const engine = await openLoaded(path, module);
  try {
    const loaded = await engine.memory();
    await call(engine, longTexts(count));
    return { loaded, used: await engine.memory() };
  } finally {
    await engine.close();
  }
}
