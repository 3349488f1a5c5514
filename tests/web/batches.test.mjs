// Does it show in a document's embeddings which texts were encoded with it, and in what order?
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openEngine } from "./lib/engine.mjs";
import { needCli, needMiniLm, needWasm } from "./lib/paths.mjs";

const WORDS = "the crisis began in October when oil of Arab states did not come to water and war for a year across Europe".split(" ");
/** From a few tokens to more than any document may have. */
const TEXTS = [2, 40, 1, 300, 9, 0, 5, 120].map((count, text) => Array.from({ length: count }, (_, i) => WORDS[(text * 7 + i) % WORDS.length]).join(" "));

/** On the CPU not a bit may move. The WebGPU adapter is in software, and takes tiny models only. */
const DEVICES = {
  cpu: { limit: 0, models: ["plain", "pylate", "minilm"] },
  webgpu: { limit: 1e-5, models: ["plain", "pylate"] },
};
const CHECKPOINTS = {
  plain: "fixtures/plain/checkpoint/",
  pylate: "fixtures/pylate/checkpoint/",
  minilm: "models/all-MiniLM-L6-v2/",
};

/** The folder of a model's weights of this type, on the server. */
function folderOf(model, dtype) {
  if (dtype === "f32") return CHECKPOINTS[model];
  return prepareBundle(`batches-${model}-${dtype}`, CHECKPOINTS[model].replace(/^fixtures/, "tests/fixtures"), dtype).path;
}

let engine;
before(async () => {
  needWasm();
  needCli();
  needMiniLm();
  engine = await openEngine({ webgpu: true });
});
after(() => engine?.close());

for (const [device, { limit, models }] of Object.entries(DEVICES)) {
  describe(`on ${device}, a document's embeddings do not depend on its neighbours`, () => {
    for (const model of models) {
      for (const dtype of ["f32", "q8", "q4"]) {
        it(`${model} ${dtype}`, { timeout: 300_000 }, async () => {
          const address = { checkpoint: engine.url(folderOf(model, dtype)), expected: engine.url(`fixtures/${model}/`) };
          assert.equal((await engine.call("describe", address, device)).info.dtype, dtype);
          const { worst, lengths } = await engine.call("alone", address, device, TEXTS);
          assert.ok(new Set(lengths).size >= 5, "the neighbours have too few lengths");
          assert.ok(worst <= limit, `moved by ${worst}`);
        });
      }
    }
  });
}
