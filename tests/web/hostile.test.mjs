// Bundles that anyone may have made: in wasm, where a panic ends the instance and memory never shrinks.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openEngine } from "./lib/engine.mjs";
import { needCli, needWasm } from "./lib/paths.mjs";

const CODES = ["BUNDLE_INVALID", "BUNDLE_VERSION", "CHECKPOINT_INVALID", "CHECKPOINT_UNSUPPORTED", "INTEGRITY_FAILED", "loaded"];

let engine;
before(async () => {
  needWasm();
  needCli();
  engine = await openEngine({});
});
after(() => engine?.close());

for (const dtype of ["q8", "q4"]) {
  it(`a damaged ${dtype} bundle loads or is refused with a code, in bounded memory`, { timeout: 120_000 }, async () => {
    const { path } = prepareBundle(`hostile-${dtype}`, "tests/fixtures/pylate/checkpoint", dtype);
    const seed = randomInt(2 ** 31);
    const outcomes = await engine.call("loadDamaged", engine.url(path), seed, 400);
    assert.deepEqual(Object.keys(outcomes).filter((outcome) => !CODES.includes(outcome)), [], `seed ${seed}`);
    assert.ok(outcomes.BUNDLE_INVALID > 0 && outcomes.CHECKPOINT_INVALID > 0, `seed ${seed}: ${JSON.stringify(outcomes)}`);
    const memory = await engine.call("memory");
    assert.ok(memory < 64e6, `seed ${seed}: ${memory} bytes`);
  });
}
