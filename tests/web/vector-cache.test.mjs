// A document is encoded once: its embeddings are found again, in the same tab, in another and after a visit, and nobody can tell by a score.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { damageVectors, storedVectors } from "./lib/storage.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

let tiny;
let browser;
let tab;

before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
});

/** A page for each test, with a browser for all of them. */
function useTab(options) {
  before(async () => {
    browser = await openBrowser(options);
  });
  after(() => browser?.close());
  beforeEach(async () => {
    tab = await browser.newPackagePage();
  });
  afterEach(() => tab?.close());
}

async function load(vectorCache, { device = "cpu", by = tab, ...more } = {}) {
  const { value, error } = await by.harness("load", "it", by.url(tiny.checkpoint), { device, cache: "off", vectorCache, ...more });
  assert.equal(error, undefined);
  return value;
}

/** What is scored, by the documents' places, and how many were known. */
async function rank(documents, { by = tab, ...options } = {}) {
  const { value, error } = await by.harness("rerank", "it", tiny.query, documents, options);
  assert.equal(error, undefined);
  const { results, timings, warnings } = value;
  return { results, scores: results.toSorted((a, b) => a.index - b.index).map(({ score }) => score), hits: timings.cacheHits, misses: timings.cacheMisses, warnings };
}

const call = async (method, by = tab) => {
  const { value, error } = await by.harness("vectorCache", "it", method);
  assert.equal(error, undefined);
  return value;
};

const codes = async (by = tab) => (await by.harness("warnings", "it")).map(({ code }) => code);

for (const device of ["cpu", "webgpu"]) {
  describe(`on ${device}`, () => {
    useTab({ webgpu: device === "webgpu" });
    // In software each length that is new to the GPU takes seconds.
    const places = device === "webgpu" ? [0, 1, 2, 3] : undefined;
    const documents = () => (places ?? [...tiny.documents.keys()]).map((place) => tiny.documents[place]);

    it("scores are the same to the bit, cold, warm, half warm and after they were displaced", LIMIT, async () => {
      await load({ codec: "int8" }, { device });
      const texts = documents();
      const explain = { explain: true, diversify: 0.5 };
      const cold = await rank(texts, explain);
      assert.deepEqual([cold.hits, cold.misses], [0, texts.length]);
      const warm = await rank(texts, explain);
      assert.deepEqual([warm.hits, warm.misses], [texts.length, 0]);
      await call("clear");
      const half = texts.filter((_, place) => place % 2 === 1);
      await rank(half);
      const halfWarm = await rank(texts, explain);
      assert.equal(halfWarm.hits, half.length);
      for (const { results } of [warm, halfWarm]) assert.deepEqual(results, cold.results);
      await load({ codec: "int8", maxBytes: 2000 }, { device });
      await rank(texts);
      const displaced = await rank(texts, explain);
      assert.ok(displaced.hits < texts.length, `${displaced.hits} hits`);
      assert.deepEqual(displaced.results, cold.results);
      const reversed = await rank(texts.toReversed());
      assert.deepEqual(reversed.scores.toReversed(), cold.scores);
    });

    it("scores of codes are those of the embeddings, but for what the codec loses", LIMIT, async () => {
      await load(false, { device });
      const plain = await rank(documents());
      assert.equal(plain.hits, undefined);
      for (const [codec, tolerance] of [["f32", 1e-5], ["f16", 1e-3], ["int8", 1e-2]]) {
        await load({ codec }, { device });
        const { scores } = await rank(documents());
        scores.forEach((score, place) => assert.ok(Math.abs(score - plain.scores[place]) < tolerance * Math.max(1, Math.abs(score)), `${codec}: ${score}, ${plain.scores[place]}`));
        const apart = await rank(documents(), { vectorCache: false });
        assert.deepEqual([apart.hits, apart.scores], [undefined, plain.scores]);
      }
    });
  });
}

describe("in this browser's storage", () => {
  useTab({ webgpu: false });
  const PERSIST = { persist: true };

  /** As on the next visit. */
  async function again(by = tab) {
    await by.page.reload();
    await by.page.waitForFunction(() => globalThis.harness !== undefined);
    await load(PERSIST, { by });
  }

  it("embeddings outlive the page, with the same scores", LIMIT, async () => {
    await load(PERSIST);
    const cold = await rank(tiny.documents);
    const { memory, stored } = await call("size");
    assert.ok(stored > 1000 && stored <= memory, `${stored} of ${memory} bytes`);
    await again();
    const warm = await rank(tiny.documents);
    assert.deepEqual([warm.hits, warm.misses], [tiny.documents.length, 0]);
    assert.deepEqual(warm.results, cold.results);
    assert.deepEqual(await codes(), []);
  });

  it("nothing is stored unless it is asked for", LIMIT, async () => {
    await load(true);
    await rank(tiny.documents);
    await load(false);
    await rank(tiny.documents);
    assert.deepEqual(await tab.page.evaluate(() => indexedDB.databases()), []);
  });

  it("no text is stored, and all of it can be deleted without a model", LIMIT, async () => {
    await load(PERSIST);
    await rank([{ id: "canary", text: "canary" }]);
    await call("size");
    const keys = await storedVectors(tab.page);
    assert.equal(keys.length, 2);
    assert.doesNotMatch(JSON.stringify(keys), /canary/);
    assert.equal((await tab.harness("static", "clearVectors")).value, true);
    assert.deepEqual(await tab.page.evaluate(() => indexedDB.databases()), []);
    assert.equal((await tab.harness("static", "clearVectors")).value, false);
  });

  it("two tabs that write at once lose nothing, and find what the other has encoded", LIMIT, async () => {
    const other = await browser.newPackagePage({ context: tab.context });
    await Promise.all([load(PERSIST), load(PERSIST, { by: other })]);
    const half = Math.ceil(tiny.documents.length / 2);
    const lists = [tiny.documents.slice(0, half + 1), tiny.documents.slice(half - 1)];
    await Promise.all([rank(lists[0]), rank(lists[1], { by: other }), rank(lists[0].toReversed()), rank(lists[1].toReversed(), { by: other })]);
    await Promise.all([call("size"), call("size", other)]);
    assert.equal((await storedVectors(tab.page)).length, tiny.documents.length);
    const [one, two] = [await rank(tiny.documents), await rank(tiny.documents, { by: other })];
    assert.deepEqual([one.misses, two.misses], [0, 0]);
    assert.deepEqual(one.scores, two.scores);
    for (const by of [tab, other]) assert.deepEqual(await codes(by), []);
    await call("clear", other);
    assert.deepEqual(await storedVectors(tab.page), []);
  });

  for (const how of ["flipped", "cut", "swapped"]) {
    it(`entries that are damaged, ${how}: are dropped and encoded again`, LIMIT, async () => {
      await load(PERSIST);
      const cold = await rank(tiny.documents);
      await call("size");
      await damageVectors(tab.page, how);
      await again();
      const mended = await rank(tiny.documents);
      assert.deepEqual([mended.hits, mended.misses], [0, tiny.documents.length]);
      assert.deepEqual(mended.results, cold.results);
      assert.deepEqual(await codes(), []);
      await call("size");
      await again();
      assert.equal((await rank(tiny.documents)).hits, tiny.documents.length);
    });
  }

  it("that is full: calls go on, with one warning, and memory serves", LIMIT, async () => {
    const session = await tab.context.newCDPSession(tab.page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(tab.page.url()).origin, quotaSize: 1000 });
    await load(PERSIST);
    const cold = await rank(tiny.documents);
    await call("size");
    assert.deepEqual(await codes(), ["VECTOR_CACHE_UNAVAILABLE"]);
    assert.match((await tab.harness("warnings", "it"))[0].message, /QuotaExceededError; \d+ of [\d,]+ MB in use/);
    const warm = await rank([...tiny.documents, "another one"]);
    await call("size");
    assert.deepEqual([warm.hits, warm.misses], [tiny.documents.length, 1]);
    assert.deepEqual(warm.scores.slice(0, -1), cold.scores);
    assert.deepEqual(await codes(), ["VECTOR_CACHE_UNAVAILABLE"]);
  });

  const denials = {
    "throws where it is asked for": () => Object.defineProperty(globalThis, "indexedDB", { get: () => { throw new DOMException("denied", "SecurityError"); } }),
    "is not there": () => Object.defineProperty(globalThis, "indexedDB", { value: undefined }),
    "gives no answer": () => (IDBFactory.prototype.open = () => ({})),
  };
  for (const [what, deny] of Object.entries(denials)) {
    it(`that ${what}: calls go on, with one warning, and memory serves`, LIMIT, async () => {
      await tab.page.evaluate(deny);
      await load(PERSIST);
      const cold = await rank(tiny.documents);
      const warm = await rank(tiny.documents);
      assert.deepEqual([cold.hits, warm.hits], [0, tiny.documents.length]);
      assert.deepEqual(warm.results, cold.results);
      assert.deepEqual(await codes(), ["VECTOR_CACHE_UNAVAILABLE"]);
    });
  }

  it("that is deleted by another tab: nobody has to wait, and it is filled anew", LIMIT, async () => {
    await load(PERSIST);
    await rank(tiny.documents);
    await call("size");
    const other = await browser.newPackagePage({ context: tab.context });
    assert.equal((await other.harness("static", "clearVectors")).value, true);
    assert.equal((await rank(tiny.documents)).hits, tiny.documents.length);
    await rank(["another one"]);
    await call("size");
    assert.equal((await storedVectors(other.page)).length, 1);
    assert.deepEqual(await codes(), []);
  });

  it("no secure context: calls go on, with one warning, and score from the same codes", LIMIT, async () => {
    await load(true);
    const { scores } = await rank(tiny.documents);
    const plain = await browser.newPackagePage({ host: "insecure.example" });
    await load(PERSIST, { by: plain });
    for (const _ of [1, 2]) {
      const found = await rank(tiny.documents, { by: plain });
      assert.deepEqual([found.hits, found.scores], [0, scores]);
    }
    assert.deepEqual((await codes(plain)).filter((code) => code.startsWith("VECTOR")), ["VECTOR_CACHE_UNAVAILABLE"]);
    await plain.close();
  });
});

describe("a call", () => {
  useTab({ webgpu: false });

  const circumstances = { windows: { longDocuments: "windows", maxWindows: 3 }, "token pooling": { tokenPooling: 2 }, both: { longDocuments: "windows", tokenPooling: { factor: 3, normalize: false } } };
  for (const [what, options] of Object.entries(circumstances)) {
    it(`with ${what} finds what was made so alone, with the same results`, LIMIT, async () => {
      await load(true);
      const plain = await rank(tiny.documents);
      const cold = await rank(tiny.documents, { ...options, explain: true });
      assert.equal(cold.hits, 0);
      assert.notDeepEqual(cold.scores, plain.scores);
      const warm = await rank(tiny.documents, { ...options, explain: true });
      assert.deepEqual([warm.misses, warm.results], [0, cold.results]);
    });
  }

  it("may name documents that were ranked before, and fails where one is not known", LIMIT, async () => {
    await load(true);
    const named = tiny.documents.map((text, place) => ({ id: `id ${place}`, text }));
    const { scores } = await rank(named);
    const found = await rank(named.map(({ id }) => ({ id })));
    assert.deepEqual([found.hits, found.scores], [named.length, scores]);
    assert.deepEqual(found.results.map(({ id }) => id), found.results.map(({ index }) => `id ${index}`));
    const { error } = await tab.harness("rerank", "it", tiny.query, [named[0], { id: "id 1" }, { id: "other" }]);
    assert.deepEqual([error.code, error.details], ["NOT_CACHED", { documents: [2] }]);
    assert.match(error.message, /documents\[2\] \(id "other"\)/);
  });

  it("that is aborted keeps nothing", LIMIT, async () => {
    await load(true);
    const { error } = await tab.harness("abortRerank", "it", tiny.query, Array.from({ length: 400 }, (_, place) => `${tiny.documents[5]} ${place}`));
    assert.equal(error.name, "AbortError");
    assert.deepEqual(await call("size"), { memory: 0, stored: 0 });
  });

  it("goes on where the worker dies: what was known stays known", LIMIT, async () => {
    await load(true, { limits: { silence: 3000 } });
    const cold = await rank(tiny.documents);
    await tab.harness("killWorkers");
    const warm = await rank(tiny.documents);
    assert.deepEqual([warm.hits, warm.results], [tiny.documents.length, cold.results]);
    assert.equal(await tab.harness("workers"), 2);
  });

  it("whose stages need more of a document than is kept is as without a cache", LIMIT, async () => {
    await load(true);
    const { value } = await tab.harness("inStages", "it", tiny.query, tiny.documents, { stages: [{ use: "dense" }, { use: "late" }] });
    assert.equal(value.timings.cacheHits, undefined);
    const words = await tab.harness("inStages", "it", tiny.query, tiny.documents, { stages: [{ use: "bm25" }, { use: "late" }] });
    assert.equal(words.value.timings.cacheMisses, tiny.documents.length);
  });
});
