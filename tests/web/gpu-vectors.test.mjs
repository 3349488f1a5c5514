// Documents on WebGPU by codes of their embeddings: these are uploaded as they are, nothing but scores is read back, and the order is the CPU's.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { tinyCase } from "./lib/tiny.mjs";
import { tinyVectors } from "./lib/tiny-vectors.mjs";

const LIMIT = { timeout: 240_000 };
/** 32-bit words of a row of 32 numbers on the GPU. */
const WORDS = { f32: 32, f16: 16, int8: 9, binary: 1, residual: 3 };
const ROW = 4 * WORDS.f32;
const SCORE = 4;
/** Copies may be rounded up. */
const ROUNDED_UP = 256;

let browser;
let tiny;
let vectors;
let tab;
let lengths;
before(async () => {
  needPackage();
  browser = await openBrowser({ webgpu: true });
  tiny = await tinyCase("plain");
  vectors = tinyVectors(tiny);
  tab = await browser.newPackagePage();
  await load("cpu", { device: "cpu" });
  await load("webgpu", { device: "webgpu" });
  lengths = { query: await rows("encodeQuery", tiny.query), documents: await rows("encodeDocuments", tiny.documents) };
}, LIMIT);
after(() => browser?.close());

async function load(name, options) {
  const { value, error } = await tab.harness("load", name, tab.url(tiny.checkpoint), { ...options, workerUrl: tab.url("pages/counted-worker.js") });
  assert.equal(error, undefined);
  assert.equal(value.device, options.device);
  assert.equal(4 * value.model.dimension, ROW);
}

const rows = async (method, texts) => (await tab.harness("lengths", "cpu", method, texts)).reduce((sum, length) => sum + length, 0);

/** What the last model that was loaded answers to a call of the harness, and how many bytes that reads back at least, and writes. */
async function counted(...call) {
  const calls = () => tab.page.workers().at(-1).evaluate(() => ({ ...self.gpuCalls }));
  const before = await calls();
  const { value, error } = await tab.harness(...call);
  assert.equal(error, undefined);
  assert.equal(value.device, "webgpu");
  const after = await calls();
  const [read, times, written] = ["bytesRead", "readBacks", "bytesWritten"].map((name) => after[name] - before[name]);
  return { value, read, most: (bytes) => bytes + SCORE * (tiny.documents.length + 1) + times * ROUNDED_UP, written };
}

const byList = (name, codec, options = {}) => {
  const urls = Object.fromEntries(Object.entries(vectors[codec]).map(([part, path]) => [part, tab.url(path)]));
  return ["rerankList", name, tiny.query, urls, options];
};

function assertSameOrder(gpu, cpu) {
  const order = ({ results }) => results.map(({ index }) => index);
  assert.equal(gpu.results.length, tiny.documents.length);
  assert.deepEqual(order(gpu), order(cpu));
  gpu.results.forEach(({ score }, place) => {
    const expected = cpu.results[place].score;
    assert.ok(Math.abs(score - expected) <= 1e-4 * Math.max(1, Math.abs(expected)), `${score}, and on the CPU ${expected}`);
  });
}

describe("scores alone are read back, and the order is the CPU's", () => {
  it("of texts", LIMIT, async () => {
    const { value, read, most } = await counted("rerank", "webgpu", tiny.query, tiny.documents, {});
    assertSameOrder(value, (await tab.harness("rerank", "cpu", tiny.query, tiny.documents, {})).value);
    assert.ok(read > 0, "nothing was counted");
    assert.ok(read <= most(0), `${read} bytes`);
  });

  for (const codec of Object.keys(WORDS)) {
    it(`of ${codec}`, LIMIT, async () => {
      const { value, read, most } = await counted(...byList("webgpu", codec));
      assertSameOrder(value, (await tab.harness(...byList("cpu", codec))).value);
      assert.ok(read > 0, "nothing was counted");
      assert.ok(read <= most(0), `${read} bytes`);
    });
  }
});

it("codes are written as they are, and a codec's tables once", LIMIT, async (test) => {
  const written = {};
  for (const codec of Object.keys(WORDS)) {
    await counted(...byList("webgpu", codec));
    written[codec] = (await counted(...byList("webgpu", codec))).written;
  }
  test.diagnostic(`${lengths.documents} rows: ${JSON.stringify(written)}`);
  for (const codec of Object.keys(WORDS)) {
    const more = 4 * (WORDS[codec] - WORDS.binary) * lengths.documents;
    assert.ok(Math.abs(written[codec] - written.binary - more) <= ROUNDED_UP, `${codec}: ${written[codec]} bytes`);
  }
});

it("explanations of documents that bring their embeddings read the query's alone", LIMIT, async () => {
  const { value, read, most } = await counted(...byList("webgpu", "int8", { explain: true, topK: 2 }));
  assert.equal(value.results[0].explanation.matches.length, lengths.query);
  assert.ok(read >= lengths.query * ROW, "the query's embeddings were not counted");
  assert.ok(read <= most(lengths.query * ROW), `${read} bytes`);
});

it("with a vector cache the embeddings of what is encoded are read, and scores do not change with what is known", LIMIT, async () => {
  await load("cached", { device: "webgpu", vectorCache: true });
  const [first, ...others] = tiny.documents;
  const some = await counted("rerank", "cached", tiny.query, others, {});
  const encoded = lengths.documents - (await rows("encodeDocuments", [first]));
  assert.ok(some.read >= encoded * ROW, "the embeddings were not counted");
  assert.ok(some.read <= some.most((encoded + lengths.query) * ROW), `${some.read} bytes of ${encoded} rows`);
  const all = await counted("rerank", "cached", tiny.query, tiny.documents, {});
  assert.equal(all.value.timings.cacheHits, others.length);
  assert.ok(all.read <= all.most((lengths.documents - encoded + lengths.query) * ROW), `${all.read} bytes of one document`);
  const again = await counted("rerank", "cached", tiny.query, tiny.documents, {});
  assert.ok(again.read <= again.most(0), `${again.read} bytes of none`);
  assert.deepEqual(again.value.results, all.value.results);
  for (const { index, score } of some.value.results) assert.equal(score, all.value.results.find((result) => result.index === index + 1).score);
});
