// Every operation of both devices against its definition, on random inputs of awkward shapes, as the modules run in Chromium.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { BOTH, openEngine } from "./lib/engine.mjs";
import { needWasm } from "./lib/paths.mjs";

const MODULES = {
  "tabrank_bg.wasm": { simd: "simd128", devices: ["cpu"] },
  "tabrank_relaxed_bg.wasm": { simd: "relaxed", devices: ["cpu"] },
  [BOTH]: { simd: "simd128", devices: ["cpu", "webgpu"] },
};

for (const [module, { simd, devices }] of Object.entries(MODULES)) {
  describe(module, () => {
    let engine;
    before(async () => {
      needWasm();
      engine = await openEngine({ webgpu: true, module });
    });
    after(() => engine?.close());

    for (const device of devices) {
      it(`every operation on ${device} is what its definition says`, { timeout: 300_000 }, async () => {
        assert.equal(await engine.call("simd"), simd);
        const seed = randomInt(2 ** 32);
        const found = await engine.call("checkOperations", device, seed);
        assert.ok(found.length > 50, `only ${found.length} results`);
        // Not `>`: a difference that is NaN has to fail too.
        const wrong = found.filter(({ relative, allowed }) => !(relative <= allowed));
        assert.deepEqual(wrong, [], `with the seed ${seed}`);
      });
    }
  });
}
