// Several workers answer as one does, to the bit, whatever the cut and whoever dies meanwhile.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

/** So that a worker which was ended is missed soon. */
const impatient = { limits: { silence: 3_000 } };

const OPTIONS = { topK: 20, explain: true };

let browser;
let tab;
let tiny;
let query;
let documents;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  const texts = longTexts(240, 400);
  // Some texts come twice.
  documents = [...texts, ...texts.slice(0, 30)];
  query = questions(1)[0].text;
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
});
afterEach(async () => {
  const complaints = tab?.complaints;
  await tab?.close();
  assert.deepEqual(complaints, []);
});

const load = (name, workers, options) => tab.harness("load", name, tab.url(tiny.checkpoint), { device: "cpu", workers, ...options });
const rerank = async (name, options = OPTIONS) => (await tab.harness("rerank", name, query, documents, options)).value;
const workersAre = (count) => tab.page.waitForFunction((count) => globalThis.harness.liveWorkers() === count, count);

/** All of an answer but its times. */
const numbers = ({ results, warnings, device }) => ({ results, warnings, device });

/** Loads for so many workers, and waits until they are there. */
async function loadPool(name, workers, options) {
  const { error } = await load(name, workers, options);
  assert.equal(error, undefined);
  await rerank(name);
  await workersAre(workers);
}

for (const workers of [1, 2, 3, 7]) {
  it(`${workers} workers: the results and embeddings of one`, LIMIT, async () => {
    await load("one", 1);
    const expected = { ranking: numbers(await rerank("one")), all: numbers(await rerank("one", {})), embeddings: await tab.harness("embeddingsHash", "one", documents) };
    assert.equal(expected.ranking.results.length, 20);
    assert.ok(expected.all.results.some(({ sameAs }) => sameAs !== undefined));
    await tab.harness("dispose", "one");
    await loadPool("several", workers);
    // The workers come one by one, so that the first of these has another cut than the last.
    for (let call = 0; call < 3; call++) assert.deepEqual(numbers(await rerank("several")), expected.ranking);
    assert.deepEqual(numbers(await rerank("several", {})), expected.all);
    assert.equal(await tab.harness("embeddingsHash", "several", documents), expected.embeddings);
    await tab.harness("dispose", "several");
    assert.equal(await tab.harness("liveWorkers"), 0);
  });
}

it("several stages, fused and explained: the results of one", LIMIT, async () => {
  const given = documents.map((text, place) => ({ text, given: place % 7 }));
  const options = {
    stages: [{ use: "given" }, { use: "bm25", keep: 220 }, { use: "dense", keep: 180 }, { use: "late", keep: 120 }],
    fuse: { by: "reciprocalRanks" },
    topK: 20,
    explain: true,
  };
  const inStages = async (name) => {
    const { value, error } = await tab.harness("inStages", name, query, given, options);
    assert.equal(error, undefined);
    return numbers(value);
  };
  await load("one", 1);
  const expected = await inStages("one");
  assert.equal(expected.results[0].stages.length, 4);
  await tab.harness("dispose", "one");
  await loadPool("several", 3);
  for (let call = 0; call < 2; call++) assert.deepEqual(await inStages("several"), expected);
});

it("with a vector cache: what several have encoded is found again, with the scores of one", LIMIT, async () => {
  await load("one", 1, { vectorCache: true });
  const expected = numbers(await rerank("one"));
  await tab.harness("dispose", "one");
  await load("several", 3, { vectorCache: true });
  await tab.harness("embeddingsHash", "several", documents);
  await workersAre(3);
  for (const misses of [documents.length, 0]) {
    const answer = await rerank("several");
    assert.equal(answer.timings.cacheMisses, misses);
    assert.deepEqual(numbers(answer), expected);
  }
});

describe("a worker is ended behind the package's back in the middle of a call", () => {
  for (const [which, worker] of [["the first", 1], ["another", 2]]) {
    it(`${which}: the answer is the same`, LIMIT, async () => {
      await load("one", 1);
      const expected = numbers(await rerank("one"));
      await tab.harness("dispose", "one");
      await loadPool("several", 3, impatient);
      const { value, error, ended } = await tab.harness("rerankWithout", worker, 40, "several", query, documents, OPTIONS);
      assert.equal(error, undefined);
      assert.ok(ended < documents.length, "nothing was left to do when the worker was ended");
      assert.deepEqual(numbers(value), expected);
      assert.deepEqual(numbers(await rerank("several")), expected);
    });
  }
});

it("nothing is fetched for the workers that come later but their script", LIMIT, async () => {
  await load("several", 3, { cache: "off" });
  const loaded = browser.server.requests.length;
  await rerank("several");
  await workersAre(3);
  await rerank("several");
  const fetched = browser.server.requests.slice(loaded);
  assert.deepEqual(fetched.filter((request) => !request.endsWith("/worker.js")), []);
});
