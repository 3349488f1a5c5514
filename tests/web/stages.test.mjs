// Stages and models that are chained in a page: each is what it is by itself, and a chain fails or is aborted as one call does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { need, needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

const CROSS_ENCODERS = fixture("cases.json");

/** Of the fixture's documents: an empty one, a word, a sentence, and one that is cut. On WebGPU in software each length takes seconds. */
const FEW = [0, 2, 3, 4];

let tab;
let tiny;

function fixture(path) {
  return JSON.parse(readFileSync(need(`tests/fixtures/cross-encoders/${path}`, "git checkout tests/fixtures"), "utf8"));
}

/** A cross-encoder's folder, a query, documents, and their scores. */
function crossCase(name, places) {
  const { queries, documents, pairs } = fixture(`${name}/expected.json`);
  const chosen = places ?? documents.map((_, place) => place);
  return {
    checkpoint: `fixtures/cross-encoders/${name}/checkpoint/`,
    query: queries[0],
    documents: chosen.map((place) => documents[place]),
    scores: chosen.map((place) => pairs[0][place].score),
  };
}

const load = async (name, checkpoint, options) => {
  const { value, error } = await tab.harness("load", name, tab.url(checkpoint), options);
  assert.equal(error, undefined);
  return value;
};

const inStages = async (name, query, documents, stages, options = {}) => {
  const { value, error, progress } = await tab.harness("inStages", name, query, documents, { stages, ...options });
  assert.equal(error, undefined);
  return { ...value, progress };
};

const plain = async (name, query, documents, options = {}) => (await tab.harness("rerank", name, query, documents, options)).value.results;

function close(found, expected, what) {
  assert.ok(Math.abs(found - expected) <= 1e-4 * Math.max(Math.abs(expected), 1), `${what} is ${found}, expected ${expected}`);
}

const indices = (results) => results.map(({ index }) => index);

for (const device of ["cpu", "webgpu"]) {
  describe(`on ${device}`, () => {
    let browser;
    const places = device === "webgpu" ? FEW : undefined;
    const options = { device };
    before(async () => {
      needPackage();
      tiny = await tinyCase("pylate");
      if (places) for (const list of ["documents", "scores"]) tiny[list] = tiny[list].slice(0, 3);
      browser = await openBrowser({ webgpu: device === "webgpu" });
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

    it("a pipeline of one stage is that stage", LIMIT, async () => {
      await load("late", tiny.checkpoint, options);
      const { results } = await inStages("late", tiny.query, tiny.documents, [{ use: "late" }], { explain: true });
      assert.deepEqual(results, await plain("late", tiny.query, tiny.documents, { explain: true }));
      assertRanked({ value: { results } }, tiny, device === "cpu" ? 1e-4 : 1e-3);
    });

    it("late over dense: each score is what it is alone, and the best of the dense order are left", LIMIT, async () => {
      await load("late", tiny.checkpoint, options);
      const alone = await plain("late", tiny.query, tiny.documents);
      const dense = (await inStages("late", tiny.query, tiny.documents, [{ use: "dense", pooling: "mean" }])).results;
      const { results, timings, progress } = await inStages("late", tiny.query, tiny.documents, [{ use: "dense", pooling: "mean", keep: 2 }, { use: "late" }]);
      assert.deepEqual(indices(results).toSorted(), indices(dense).slice(0, 2).toSorted());
      for (const { index, score, stages } of results) {
        close(score, alone.find((result) => result.index === index).score, "MaxSim");
        close(stages[0].score, dense.find((result) => result.index === index).score, "the cosine");
        assert.equal(stages[0].rank, dense.findIndex((result) => result.index === index) + 1);
      }
      const [pass, rest] = timings.stages;
      assert.ok(pass > rest && pass + rest <= timings.total + 1, `${pass} and ${rest} of ${timings.total} ms`);
      assert.deepEqual(progress.at(-1), { done: tiny.documents.length, total: tiny.documents.length });
    });

    for (const name of places ? ["bert", "modules"] : CROSS_ENCODERS) {
      it(`the cross-encoder ${name} scores as CrossEncoder does`, LIMIT, async () => {
        const expected = crossCase(name, places);
        assert.equal((await load("cross", expected.checkpoint, options)).model.kind, "crossEncoder");
        const { value } = await tab.harness("rerank", "cross", expected.query, expected.documents);
        const scores = value.results.toSorted((a, b) => a.index - b.index).map(({ score, normalizedScore }) => {
          assert.equal(normalizedScore, score);
          return score;
        });
        scores.forEach((score, place) => close(score, expected.scores[place], `document ${place}`));
        assert.equal(value.device, device);
      });
    }

    it("three stages, two models: the last one's scores, and late interaction's explanations", LIMIT, async () => {
      const expected = crossCase("bert", places ?? [0, 2, 3, 4, 5, 6]);
      await load("late", tiny.checkpoint, options);
      await load("cross", expected.checkpoint, options);
      const stages = [{ use: "dense", keep: 4 }, { use: "late", keep: 3 }, { use: "crossEncoder", model: "cross", keep: 2 }];
      const { results, progress, timings } = await inStages("late", expected.query, expected.documents, stages, { explain: true });
      const late = (await inStages("late", expected.query, expected.documents, stages.slice(0, 2))).results;
      assert.equal(results.length, 2);
      for (const { index, score, stages, explanation } of results) {
        close(score, expected.scores[index], "the cross-encoder's score");
        assert.deepEqual(stages.slice(0, 2), late.find((result) => result.index === index).stages);
        close(explanation.score, stages[1].score, "the explained score");
        assert.ok(explanation.matches.length > 0);
      }
      const total = expected.documents.length + 3;
      assert.deepEqual([progress.at(-1), timings.stages.length], [{ done: total, total }, 3]);
      assert.deepEqual(progress, progress.toSorted((a, b) => a.done - b.done));
    });

    it("embeddings as a query, and scores without a model", LIMIT, async () => {
      await load("late", tiny.checkpoint, options);
      const { plain, given, one, mean, rows, matches } = await tab.harness("byEmbeddings", "late", tiny.query, tiny.documents);
      for (const [place, score] of plain.entries()) {
        close(given[place], score, `document ${place} by embeddings`);
        close(one[place], score, `document ${place} by a Scorer`);
        close(mean[place], score / rows, `the mean of document ${place}`);
      }
      assert.equal(matches.length, rows);
      assert.deepEqual(matches[0].query, { id: null, token: "", start: null, end: null, row: 0 });
    });
  });
}

describe("chains on the CPU", () => {
  let browser;
  const options = { device: "cpu" };
  const CHAIN = [{ use: "late" }, { use: "crossEncoder", model: "cross" }];
  before(async () => {
    tiny = await tinyCase("pylate");
    browser = await openBrowser({ webgpu: false });
  });
  after(() => browser?.close());
  beforeEach(async () => {
    tab = await browser.newPackagePage();
    await load("late", tiny.checkpoint, options);
  });
  afterEach(async () => {
    const complaints = tab?.complaints;
    await tab?.close();
    assert.deepEqual(complaints, []);
  });

  it("ties keep the order that came in, and given scores come back as they were", LIMIT, async () => {
    const documents = ["oil", "water", "oil", "bread"].map((text, place) => ({ text, given: [0.1, 0.7, 0.1, undefined][place] }));
    const { results } = await inStages("late", "the price of oil", documents, [{ use: "given", keep: 3 }, { use: "bm25" }]);
    assert.deepEqual(indices(results), [0, 2, 1]);
    assert.deepEqual(results.map(({ stages }) => stages[0]), [2, 3, 1].map((rank, place) => ({ use: "given", rank, score: [0.1, 0.1, 0.7][place] })));
    const late = (await inStages("late", "the price of oil", documents, [{ use: "late" }])).results;
    assert.equal(late.find(({ index }) => index === 2).sameAs, 0);
  });

  it("fusion, a least score and MMR change the end of the list alone", LIMIT, async () => {
    const documents = tiny.documents.map((text, place) => ({ text, given: place }));
    const stages = [{ use: "given" }, { use: "late" }];
    const { results } = await inStages("late", tiny.query, documents, stages);
    const fused = (await inStages("late", tiny.query, documents, stages, { fuse: { by: "reciprocalRanks", k: 1 } })).results;
    const sum = ({ stages: [given, late] }) => 1 / (1 + given.rank) + 1 / (1 + late.rank);
    for (const result of fused) close(result.fused, sum(result), "the fused score");
    assert.deepEqual(indices(fused), indices(results.toSorted((a, b) => sum(b) - sum(a))));
    const [, second] = results;
    assert.deepEqual(indices((await inStages("late", tiny.query, documents, stages, { minScore: second.score })).results), indices(results.slice(0, 2)));
    assert.deepEqual(indices((await inStages("late", tiny.query, documents, stages, { diversify: 1 })).results), indices(results));
    assert.notDeepEqual(indices((await inStages("late", tiny.query, documents, stages, { diversify: 0 })).results), indices(results));
  });

  it("are aborted in each stage, and the next call is right", LIMIT, async () => {
    await load("cross", crossCase("bert").checkpoint, options);
    const documents = Array.from({ length: 60 }, (_, place) => tiny.documents.map((text) => `${place} ${text}`)).flat();
    for (const after of [0, documents.length]) {
      const { error, late, after: heard } = await tab.harness("abortStages", "late", tiny.query, documents, { stages: CHAIN }, after);
      assert.equal(error?.name, "AbortError");
      assert.ok(late < 100, `it took ${late} ms`);
      assert.equal(heard, 0, "progress was reported after the abort");
      assertRanked(await tab.harness("rerank", "late", tiny.query, tiny.documents), tiny);
    }
  });

  it("the second model's worker dies in the middle: a new one goes on, and the first is left alone", LIMIT, async () => {
    const expected = crossCase("bert", FEW);
    await load("cross", expected.checkpoint, { ...options, workerUrl: tab.faultyWorker([["fault", "panic-in-rerank"], ["lives", 2]]) });
    const { results } = await inStages("late", expected.query, expected.documents, CHAIN);
    for (const { index, score } of results) close(score, expected.scores[index], "the score");
    assert.deepEqual(await tab.harness("struck"), ["scores"]);
    assert.deepEqual([await tab.harness("workers"), await tab.harness("liveWorkers")], [3, 2]);
  });

  it("a model that is disposed of ends the chain", LIMIT, async () => {
    await load("cross", crossCase("bert").checkpoint, options);
    await tab.harness("dispose", "cross");
    const { error } = await tab.harness("inStages", "late", tiny.query, tiny.documents, { stages: CHAIN });
    assert.equal(error.code, "DISPOSED");
    assertRanked(await tab.harness("rerank", "late", tiny.query, tiny.documents), tiny);
  });

  it("a cross-encoder encodes and explains nothing", LIMIT, async () => {
    await load("cross", crossCase("bert").checkpoint, options);
    for (const call of [["encodeQuery", "q"], ["encodeDocuments", ["d"]], ["explain", "q", "d"], ["rerank", "q", ["d"], { explain: true }]]) {
      assert.equal((await tab.harness("call", "cross", ...call)).error.code, "INVALID_INPUT", call[0]);
    }
  });
});
