import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Reranker } from "../../src/index.js";
import type { Cost } from "../../src/protocol.js";
import { Rate } from "../../src/page/rate.js";
import { FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

/** The fake engine takes a letter for a token. */
const DOCUMENTS = Array.from({ length: 100 }, (_, place) => "x".repeat(50 + place));
const TOKENS = DOCUMENTS.reduce((sum, { length }) => sum + length, 0);

let engine: FakeEngine;

beforeEach(() => {
  stubSite();
  engine = new FakeEngine();
  stubWorkers(fakeModule(async () => engine));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = () => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm" });

/** Takes some milliseconds for each text, of whatever length. */
const slowly = (milliseconds: number) => () => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe("an estimate", () => {
  test("is measured from a sample from all over the list, which is ranked twice, where nothing was ranked yet", async () => {
    const reranker = await load();
    engine.beforeText = slowly(4);
    const { milliseconds, tokens, measured } = await reranker.estimate(DOCUMENTS, { query: "abc" });
    expect(engine.started).toEqual(["abc", "abc"]);
    expect(tokens).toBe(TOKENS + 3);
    expect(measured.by).toBe("sample");
    expect(measured.tokens).toBeLessThan(TOKENS / 2);
    expect(milliseconds).toBeCloseTo((measured.milliseconds * tokens) / measured.tokens, -1);
    const begin = performance.now();
    await reranker.rerank("abc", DOCUMENTS);
    const taken = performance.now() - begin;
    expect(milliseconds).toBeGreaterThan(taken / 3);
    expect(milliseconds).toBeLessThan(taken * 3);
  });

  test("is measured from the rankings before it, and asks for none then", async () => {
    const reranker = await load();
    await reranker.rerank("abc", DOCUMENTS);
    const { measured, tokens } = await reranker.estimate(["y".repeat(200)], { query: "abc" });
    expect(engine.started).toEqual(["abc"]);
    expect(measured).toEqual({ by: "calls", tokens: TOKENS + 3, milliseconds: expect.any(Number) });
    expect(tokens).toBe(203);
  });

  test("of documents that say nothing, or of none, is next to nothing", async () => {
    const reranker = await load();
    for (const documents of [[], ["a"]]) expect((await reranker.estimate(documents)).milliseconds).toBeLessThan(10);
  });

  test("counts what it takes to find out how much of a text is read", async () => {
    const reranker = await load();
    const { cost } = engine;
    engine.cost = async (...asked) => slowly(60)().then(() => cost(...asked));
    const sampled = await reranker.estimate(["a"]);
    await reranker.rerank("abc", DOCUMENTS);
    const known = await reranker.estimate(["a"]);
    expect([sampled.measured.by, known.measured.by]).toEqual(["sample", "calls"]);
    for (const { milliseconds } of [sampled, known]) expect(milliseconds).toBeGreaterThan(50);
  });

  test("refuses what a ranking refuses, and ends with a signal", async () => {
    const reranker = await load();
    await expect(reranker.estimate([{ body: "b" }])).rejects.toThrow("documents[0].text is undefined");
    await expect(reranker.estimate(["a"], { query: " " })).rejects.toThrow("query is empty");
    await expect(reranker.estimate(["a"], { query: 5 } as object)).rejects.toThrow("query is a number");
    await expect(reranker.estimate(["a"], { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });
});

describe("a rate", () => {
  const rate = () => new Rate({ ...INFO, hiddenSize: 10 });
  const counted = (tokens: number, pairs: number) => ({ tokens, pairs, tokenize: 0 });
  const took = (cost: Cost, encode: number) => ({ cost, timings: { tokenize: 1_000, encode, score: 100, explain: 100, total: encode + 1_200, stages: [] } });

  test("counts attention with the tokens, and the last measurement most", () => {
    const measured = rate();
    expect(measured.of("cpu", counted(100, 0))).toBeUndefined();
    measured.add("cpu", took({ tokens: 100, pairs: 3_000 }, 40));
    expect(measured.of("cpu", counted(400, 0))).toEqual({ milliseconds: 80, tokens: 400, measured: { tokens: 100, milliseconds: 40 } });
    expect(measured.of("cpu", counted(100, 9_000))?.milliseconds).toBe(80);
    for (let call = 0; call < 20; call++) measured.add("cpu", took({ tokens: 100, pairs: 0 }, 10));
    expect(measured.of("cpu", counted(100, 0))?.milliseconds).toBeCloseTo(10, 3);
  });

  test("is each device's own, and not measured from next to nothing", () => {
    const measured = rate();
    measured.add("cpu", took({ tokens: 10, pairs: 100 }, 40));
    measured.add("webgpu", took({ tokens: 100, pairs: 0 }, 1));
    expect(measured.of("cpu", counted(100, 0))).toBeUndefined();
    expect(measured.of("webgpu", counted(100, 0))?.milliseconds).toBe(1);
    measured.forget("webgpu");
    expect(measured.of("webgpu", counted(100, 0))).toBeUndefined();
  });
});
