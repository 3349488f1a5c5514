import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type PartialResults, type RerankOptions, Reranker } from "../../src/index.js";
import { FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

/** In the order of `late` 2, 3, 0, 4, 1. */
const DOCUMENTS = ["ccc", "a", "bbbbb", "dddd", "ee"];

let encoder: FakeEngine;
let cross: FakeEngine;

beforeEach(() => {
  stubSite();
  encoder = new FakeEngine();
  cross = new FakeEngine();
  cross.info = { ...INFO, kind: "crossEncoder" };
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function both(): Promise<{ reranker: Reranker; crossEncoder: Reranker }> {
  stubWorkers(fakeModule(async () => encoder), fakeModule(async () => cross));
  const load = () => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm" });
  return { reranker: await load(), crossEncoder: await load() };
}

const wait = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

const scoresOf = (results: readonly { index: number; score: number | null }[]) => results.map(({ index, score }) => [index, score]);

/** What listeners hear of a ranking, and its results. */
async function heard(reranker: Reranker, options: RerankOptions<string> = {}) {
  const partials: PartialResults<string>[] = [];
  const output = await reranker.rerank("q", DOCUMENTS, { ...options, onPartial: (partial) => partials.push(partial) });
  return { partials, output };
}

describe("partial results", () => {
  test("come as documents are scored, best first and the others behind them, and end with those of the call", async () => {
    const { reranker } = await both();
    const { partials, output } = await heard(reranker);
    expect(partials.map(({ scored, total }) => [scored, total])).toEqual([1, 2, 3, 4, 5, 5].map((scored) => [scored, 5]));
    expect(scoresOf(partials[0]!.results)).toEqual([[0, 3], [1, null], [2, null], [3, null], [4, null]]);
    expect(scoresOf(partials[2]!.results)).toEqual([[2, 5], [0, 3], [1, 1], [3, null], [4, null]]);
    expect(partials[2]!.results.map(({ rank, normalizedScore, document }) => [rank, normalizedScore, document])).toEqual([[1, 1, "bbbbb"], [2, 0.75, "ccc"], [3, 0.25, "a"], [4, null, "dddd"], [5, null, "ee"]]);
    const expected = output.results.map(({ index, rank, score, normalizedScore, document }) => ({ index, rank, score, normalizedScore, document }));
    expect(partials.slice(-2).map(({ results }) => results)).toEqual([expected, expected]);
    expect(output.results).toEqual((await reranker.rerank("q", DOCUMENTS)).results);
  });

  test("are cut as the answer is: by topK, and by the least score", async () => {
    const { reranker } = await both();
    const { partials } = await heard(reranker, { topK: 2, minScore: 2 });
    expect(partials.map(({ results }) => scoresOf(results))).toEqual([
      [[0, 3], [1, null]],
      [[0, 3], [2, null]],
      [[2, 5], [0, 3]],
      [[2, 5], [3, 4]],
      [[2, 5], [3, 4]],
      [[2, 5], [3, 4]],
    ]);
  });

  test("are of the last of several models, in the order that the one before it left", async () => {
    const { reranker, crossEncoder } = await both();
    const { partials, output } = await heard(reranker, { stages: [{ use: "late", keep: 3 }, { use: "crossEncoder", model: crossEncoder }] });
    expect(partials.map(({ results }) => scoresOf(results))).toEqual([
      [[2, expect.closeTo(0.2)], [3, null], [0, null]],
      [[3, 0.25], [2, expect.closeTo(0.2)], [0, null]],
      [[0, expect.closeTo(1 / 3)], [3, 0.25], [2, expect.closeTo(0.2)]],
      scoresOf(output.results),
    ]);
  });

  test("of a list that a stage before has ordered stand in its order, and what is given is told as it was", async () => {
    const { reranker } = await both();
    const score = (document: string) => -document.length - 1e-12;
    const { partials } = await heard(reranker, { stages: [{ use: "late", keep: 2 }, { use: "given", score }] });
    expect(partials.map(({ total }) => total)).toEqual([2, 2, 2]);
    expect(scoresOf(partials[0]!.results)).toEqual([[2, null], [3, null]]);
    expect(scoresOf(partials[1]!.results)).toEqual([[3, -4 - 1e-12], [2, -5 - 1e-12]]);
  });

  test("end with an abort", async () => {
    const { reranker } = await both();
    const controller = new AbortController();
    let count = 0;
    const onPartial = () => {
      if (++count === 2) controller.abort("enough");
    };
    await expect(reranker.rerank("q", DOCUMENTS, { onPartial, signal: controller.signal })).rejects.toBe("enough");
    await wait(20);
    expect(count).toBe(2);
  });

  test("are not told after an abort, at whatever moment of a call it comes", async () => {
    const { reranker } = await both();
    let late = 0;
    for (let moment = 0; moment < 40; moment++) {
      const controller = new AbortController();
      const onPartial = () => (late += Number(controller.signal.aborted));
      const call = reranker.rerank("q", [], { onPartial, signal: controller.signal }).catch((reason: unknown) => reason);
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      controller.abort("enough");
      expect(["enough", expect.objectContaining({ results: [] })]).toContainEqual(await call);
    }
    expect(late).toBe(0);
  });
});

describe("a budget", () => {
  const SLOW = 40;

  test("of next to nothing, of half the work and of ten times the work give what they say", async () => {
    encoder.beforeText = () => wait(SLOW);
    const { reranker } = await both();
    const budgeted = async (budgetMs: number) => {
      const begin = performance.now();
      const { results, warnings } = await reranker.rerank("q", DOCUMENTS, { budgetMs });
      return { results, warnings, time: performance.now() - begin };
    };
    const none = await budgeted(0);
    expect(scoresOf(none.results)).toEqual(DOCUMENTS.map((_, index) => [index, null]));
    expect(none.warnings).toEqual([{ code: "BUDGET_ENDED", message: "5 documents were not scored within budgetMs, 0; they follow in the order that they had" }]);
    const half = await budgeted(SLOW * 2.5);
    const count = half.results.filter(({ score }) => score !== null).length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(DOCUMENTS.length);
    const best = scoresOf((await reranker.rerank("q", DOCUMENTS.slice(0, count))).results);
    expect(scoresOf(half.results)).toEqual([...best, ...DOCUMENTS.map((_, index) => [index, null]).slice(count)]);
    expect(half.results.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5]);
    expect(half.warnings[0]!.message).toMatch(`${5 - count} documents`);
    expect(half.time).toBeLessThan(SLOW * 5);
    // The last two are more than a timer takes.
    for (const budgetMs of [SLOW * 50, 2 ** 31, 1e30]) expect(await budgeted(budgetMs)).toMatchObject({ results: (await reranker.rerank("q", DOCUMENTS)).results, warnings: [] });
  });

  test("is kept where the worker is at another call, which goes on", async () => {
    encoder.beforeText = (text) => wait(text === "long" ? 600 : 0);
    const { reranker } = await both();
    const other = reranker.rerank("other", ["long"]);
    const begin = performance.now();
    const { results, warnings } = await reranker.rerank("q", DOCUMENTS, { budgetMs: 50, topK: 2 });
    expect(performance.now() - begin).toBeLessThan(500);
    expect(scoresOf(results)).toEqual([[0, null], [1, null]]);
    expect(warnings[0]!.message).toMatch("5 documents");
    expect((await other).results).toHaveLength(1);
    expect(encoder.started).toEqual(["other"]);
  });

  test("that ends before the last model has begun leaves the order of those before, and asks it nothing", async () => {
    encoder.beforeText = () => wait(SLOW);
    const { reranker, crossEncoder } = await both();
    const stages = [{ use: "late", keep: 4 }, { use: "crossEncoder", model: crossEncoder }] as const;
    const { results, warnings } = await reranker.rerank("q", DOCUMENTS, { stages, budgetMs: SLOW * 2.5, topK: 3 });
    expect(results).toHaveLength(3);
    expect(results.every(({ score, normalizedScore }) => score === null && normalizedScore === null)).toBe(true);
    expect(results.map(({ stages }) => stages.length)).toContain(1);
    expect(warnings.map(({ code }) => code)).toContain("BUDGET_ENDED");
    expect(cross.asked).toEqual([]);
  });

  test("is a number of milliseconds", async () => {
    const { reranker } = await both();
    for (const budgetMs of [-1, Number.NaN, "5"]) await expect(reranker.rerank("q", DOCUMENTS, { budgetMs: budgetMs as number })).rejects.toThrow("budgetMs is");
  });
});
