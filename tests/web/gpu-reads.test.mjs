// What is read back from the GPU: the scores, and the embeddings of those documents that are explained.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { openGpuReads } from "./lib/gpu-reads.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { assertRanked } from "./lib/tiny.mjs";

const LIMIT = { timeout: 240_000 };
const BATCH = 1024;

let browser;
let gpu;
before(async () => {
  needPackage();
  browser = await openBrowser({ webgpu: true });
  gpu = await openGpuReads(browser, "plain");
}, LIMIT);
after(() => browser?.close());

it("a rerank reads back its scores alone", LIMIT, async (test) => {
  const { outcome, bytes, most, everything } = await gpu.reads({});
  assertRanked(outcome, gpu.tiny, 1e-3);
  test.diagnostic(`${bytes} bytes for ${gpu.tiny.documents.length} documents, at most ${most}; all embeddings would be ${everything}`);
  assert.ok(bytes > 0, "nothing was counted");
  assert.ok(most < everything / 4, "the texts are too few to tell");
  assert.ok(bytes <= most);
});

it("with explanations of the first two also the rows of these and of the query", LIMIT, async (test) => {
  const { outcome, bytes, most, everything } = await gpu.reads({ explain: true, topK: 2 });
  assert.equal(outcome.value.results.length, 2);
  for (const { score, explanation } of outcome.value.results) assert.ok(Math.abs(explanation.score - score) < 1e-3 * Math.max(1, Math.abs(score)));
  test.diagnostic(`${bytes} bytes, at most ${most}; all embeddings would be ${everything}`);
  assert.ok(most < everything, "the texts are too few to tell");
  assert.ok(bytes <= most);
});

it("a layer takes 7 dispatches, and one more to turn queries and keys by their places", LIMIT, async (test) => {
  // Besides: the embeddings' norm, a projection and its norm where there are, MaxSim.
  const CASES = { plain: { layers: 2, layer: 7, besides: 3 }, "modernbert-wide": { layers: 1, layer: 8, besides: 4 } };
  for (const [name, { layers, layer, besides }] of Object.entries(CASES)) {
    const { reads, tab } = await openGpuReads(browser, name);
    const { dispatches, documents } = await reads({});
    test.diagnostic(`${name}: ${dispatches} dispatches for ${documents} documents`);
    assert.equal(dispatches, layers * layer + besides, name);
    await tab.close();
  }
});

it("no more than 1,024 tokens are handed over at a time", LIMIT, async (test) => {
  const { tokens, submits, readBacks } = await gpu.reads({}, 20);
  test.diagnostic(`${tokens} tokens: ${readBacks} read-backs, ${submits} times work was handed over`);
  assert.ok(tokens > 2 * BATCH, "the texts are too few to tell");
  assert.ok(readBacks >= Math.ceil(tokens / BATCH));
  assert.ok(submits >= readBacks);
});

it("the next batch is brought and asked for while the scores of one are read", LIMIT, async (test) => {
  const { outcome, bytes, most, readBacks, dispatchesWhileReading, bytesWrittenWhileReading, tokens, rowBytes, documents } = await gpu.reads({}, 20);
  test.diagnostic(`${documents} documents: ${readBacks} read-backs, ${dispatchesWhileReading} dispatches and ${bytesWrittenWhileReading} bytes brought while one was under way, ${bytes} bytes`);
  assert.equal(outcome.value.results.length, documents);
  assert.ok(readBacks > 1, "it was a single batch");
  assert.ok(dispatchesWhileReading > 0, "each batch waited for the scores of the one before");
  // All batches but the first, a row for each token.
  assert.ok(bytesWrittenWhileReading >= (tokens - BATCH) * rowBytes, "a batch was brought when the one before was done");
  assert.ok(bytes <= most + 256 * readBacks);
});
