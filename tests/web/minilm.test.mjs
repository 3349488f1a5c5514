// The default model's real weights in Chromium against PyTorch.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { openEngine } from "./lib/engine.mjs";
import { need, needMiniLm, needWasm } from "./lib/paths.mjs";

// The adapter is in software and takes seconds for a text: of the texts only the shortest, once through every layer and once scored.
const DEVICES = {
  cpu: { tolerance: 1e-4 },
  webgpu: { tolerance: 1e-3, texts: { query: [], document: [5] }, queries: [1], documents: [5] },
};

let engine;
before(async () => {
  needWasm();
  needMiniLm();
  need("tests/fixtures/minilm/expected.json", "git checkout tests/fixtures");
  engine = await openEngine({ webgpu: true });
});
after(() => engine?.close());

for (const [device, { tolerance, texts, queries, documents }] of Object.entries(DEVICES)) {
  it(`MiniLM on ${device} equals PyTorch`, { timeout: 300_000 }, async () => {
    const address = { checkpoint: engine.url("models/all-MiniLM-L6-v2/"), expected: engine.url("fixtures/minilm/") };
    const { device: found, warnings } = await engine.call("describe", address, device);
    assert.equal(found, device);
    assert.deepEqual(warnings.map(({ code }) => code), ["NO_LATE_INTERACTION_HEAD"]);
    const { tokens, states, embeddings } = await engine.call("compareTexts", address, device, texts, tolerance);
    assert.deepEqual(tokens.differing, []);
    assert.deepEqual(states.differing, []);
    assert.deepEqual(embeddings.differing, []);
    assert.ok(states.compared >= 2 && embeddings.compared >= 1, "the first or the last layer was not compared");
    const scores = await engine.call("compareScores", address, device, queries, documents, tolerance);
    assert.deepEqual(scores.differing, []);
    assert.ok(scores.compared > 0);
    if (device === "cpu") assert.deepEqual((await engine.call("compareEncodings", address, device, texts, tolerance)).differing, []);
  });
}
