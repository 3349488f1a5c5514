/** Pages that are merged into one order, against a ranking of the whole list. */

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type PagingOptions, Reranker, type RerankOutput } from "../../src/index.js";
import { FakeEngine, fakeModule } from "../support/engine.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

let engine: FakeEngine;

beforeEach(() => {
  stubSite();
  engine = new FakeEngine();
  stubWorkers(fakeModule(async () => engine));
});
afterEach(() => vi.unstubAllGlobals());

const load = (options: object = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", workers: 1, ...options });

type Hit = { id: string; text: string; given: number };

const results = ({ results }: RerankOutput<Hit>) => results.map(({ sameAs: _, ...result }) => result);

/** The fake engine knows no least score, which leaves out the end of a list. */
const atOnce = async (reranker: Reranker, all: Hit[], { minScore = -Infinity, topK = Infinity, ...options }: PagingOptions<Hit>) =>
  results(await reranker.rerank("q", all, options)).filter(({ score }) => score >= minScore).slice(0, topK);

const OPTIONS: [string, PagingOptions<Hit>, isMerged: boolean][] = [
  ["one stage", {}, true],
  ["the best of one stage, explained", { topK: 3, explain: true }, true],
  ["what is above a score", { minScore: 3, topK: 5 }, true],
  ["one stage that cuts", { stages: [{ use: "dense", keep: 4 }], minScore: -0.05 }, true],
  ["two stages, of which the first cuts", { stages: [{ use: "dense", keep: 4 }, { use: "late" }], topK: 2 }, true],
  ["three stages, of which first and last cut", { stages: [{ use: "dense", keep: 6 }, { use: "late" }, { use: "dense", keep: 3 }] }, true],
  ["a cut in between", { stages: [{ use: "dense" }, { use: "late", keep: 3 }, { use: "dense" }] }, false],
  ["two stages, explained", { stages: [{ use: "dense", keep: 4 }, { use: "late" }], explain: true }, false],
  ["BM25 in front", { stages: [{ use: "bm25", keep: 5 }, { use: "late" }] }, false],
  ["given scores", { stages: [{ use: "given", score: (hit) => hit.given, keep: 5 }, { use: "late" }] }, false],
];

describe.each(OPTIONS)("pages by %s", (_, options, isMerged) => {
  test("give the order of all at once", async () => {
    const reranker = await load();
    const hit = fc.record({ text: fc.string({ minLength: 1, maxLength: 12 }), given: fc.nat(9) });
    const pages = fc.array(fc.array(hit, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pages, async (pages) => {
        const paging = reranker.paging<Hit>("q", options);
        const all: Hit[] = [];
        for (const page of pages.map((page, place) => page.map((one, at) => ({ ...one, id: `${place}/${at}` })))) {
          all.push(...page);
          expect(results(await paging.add(page))).toEqual(await atOnce(reranker, all, options));
        }
      }),
      { numRuns: 40 },
    );
  });

  test(`rank ${isMerged ? "each document once" : "the whole list again"}`, async () => {
    const reranker = await load();
    const read: string[] = [];
    engine.beforeText = (text) => void read.push(text);
    const paging = reranker.paging<Hit>("q", options);
    const page = (name: string) => [1, 2].map((place) => ({ id: `${name}${place}`, text: `${name}${place}`, given: place }));
    for (const name of ["a", "b"]) await paging.add(page(name));
    expect(read).toEqual(isMerged ? ["a1", "a2", "b1", "b2"] : ["a1", "a2", "a1", "a2", "b1", "b2"]);
  });
});

test("a vector cache spares the encoding where the whole list is ranked again", async () => {
  const reranker = await load({ vectorCache: true });
  const paging = reranker.paging<string>("q", { stages: [{ use: "bm25" }, { use: "late" }] });
  await paging.add(["a", "bb"]);
  expect((await paging.add(["ccc"])).timings).toMatchObject({ cacheHits: 2, cacheMisses: 1 });
});

test("pages that are added at once are taken in turn, and one that fails adds nothing", async () => {
  const reranker = await load();
  const paging = reranker.paging<string>("q");
  const stopping = new AbortController();
  const added = [paging.add(["bb"]), paging.add(["lost"], { signal: stopping.signal }), paging.add([1 as never]), paging.add(["a", "ccc"])];
  stopping.abort();
  const [, aborted, refused, last] = await Promise.allSettled(added);
  expect(aborted).toMatchObject({ reason: { name: "AbortError" } });
  expect(refused).toMatchObject({ reason: { code: "INVALID_INPUT", message: "documents[0] is a number; expected a string" } });
  expect((last as PromiseFulfilledResult<RerankOutput<string>>).value.results.map(({ index, rank, document }) => [index, rank, document])).toEqual([[2, 1, "ccc"], [0, 2, "bb"], [1, 3, "a"]]);
});

test("what was the same is told within a page", async () => {
  const paging = (await load()).paging<string>("q");
  await paging.add(["a"]);
  const { results } = await paging.add(["bb", "bb", "a"]);
  expect(results.map(({ index, sameAs }) => [index, sameAs])).toEqual([[1, undefined], [2, 1], [0, undefined], [3, undefined]]);
});

test.each<[string, object, string]>([
  ["a budget", { budgetMs: 5 }, "budgetMs is an option of a single ranking"],
  ["the mode", { mode: "latest" }, "mode is an option of a single ranking"],
  ["a list of embeddings", { embeddings: new ArrayBuffer(0) }, "embeddings is a list, and pages have none in common"],
  ["no number", { topK: 0 }, "topK is 0; expected a positive integer"],
])("%s is refused", async (_, options, message) => {
  const reranker = await load();
  expect(() => reranker.paging("q", options)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", message }));
});
