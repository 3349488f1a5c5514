// How much memory the engine takes to load the default model: little beside a bundle's files.
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openEngine } from "./lib/engine.mjs";
import { needCli, needMiniLm, needWasm } from "./lib/paths.mjs";

const MB = 1e6;

before(() => {
  needWasm();
  needCli();
  needMiniLm();
});

for (const dtype of ["f32", "f16", "q8", "q4"]) {
  it(`the default model in ${dtype}`, { timeout: 120_000 }, async (test) => {
    const { folder, path } = prepareBundle(`memory-${dtype}`, "models/all-MiniLM-L6-v2", dtype);
    const bundle = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    const engine = await openEngine({ webgpu: false });
    try {
      await engine.call("describe", { checkpoint: engine.url(path), expected: engine.url("fixtures/minilm/") }, "cpu");
      const memory = await engine.call("memory");
      const limit = 1.5 * bundle + 100 * MB;
      const [taken, stored, most] = [memory, bundle, limit].map((bytes) => (bytes / MB).toFixed(1));
      test.diagnostic(`${dtype}: ${taken} MB for a bundle of ${stored} MB; at most ${most} MB`);
      assert.ok(memory < limit, `${taken} MB, at most ${most} MB`);
    } finally {
      await engine.close();
    }
  });
}
