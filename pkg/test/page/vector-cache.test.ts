import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type LoadOptions, type RerankOptions, Reranker, ResidualCodec, type Warning } from "../../src/index.js";
import { DATABASE } from "../../src/storage/vector-database.js";
import { FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { stubSite, WASM } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

let engine: FakeEngine;

beforeEach(() => {
  stubSite();
  vi.stubGlobal("indexedDB", new IDBFactory());
  engine = new FakeEngine();
  stubWorkers(fakeModule(async () => engine));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const load = (vectorCache: NonNullable<LoadOptions["vectorCache"]>, more: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", vectorCache, ...more });

/** What is told of the cache by the call, and what the engine was asked to keep. */
async function told(reranker: Reranker, documents: string[], options: RerankOptions<string> = {}) {
  const { timings } = await reranker.rerank("q", documents, options);
  return [timings.cacheHits, timings.cacheMisses, engine.asked.at(-1)!.keep];
}

describe("a model", () => {
  test("keeps nothing unless it is asked to", async () => {
    for (const reranker of [await load(false), await Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm" })]) {
      expect(await told(reranker, ["a"])).toEqual([undefined, undefined, undefined]);
      expect(await reranker.vectorCache.size()).toEqual({ memory: 0, stored: 0 });
      await reranker.vectorCache.clear();
    }
    expect(await indexedDB.databases()).toEqual([]);
  });

  test("keeps int8 in memory alone unless it is told more", async () => {
    const reranker = await load(true);
    expect(await told(reranker, ["a", "bb"])).toEqual([0, 2, "int8"]);
    expect(await told(reranker, ["bb", "a", "ccc"])).toEqual([2, 1, "int8"]);
    const { memory, stored } = await reranker.vectorCache.size();
    expect([memory > 500, stored]).toEqual([true, 0]);
    expect(await indexedDB.databases()).toEqual([]);
  });

  test("keeps what it is told, where it is told", async () => {
    const settings = { codec: "f16", persist: true, maxBytes: 10_000 } as const;
    const reranker = await load(settings);
    expect(await told(reranker, ["a"])).toEqual([0, 1, "f16"]);
    expect((await reranker.vectorCache.size()).stored).toBeGreaterThan(0);
    reranker.dispose();
    expect(await told(await load(settings), ["a"])).toEqual([1, 0, "f16"]);
  });

  test("that is cleared keeps nothing of calls that are under way, whatever they were at", async () => {
    const reranker = await load({ persist: true });
    const stages = [{ use: "bm25" }, { use: "late", model: await load(false) }, { use: "late" }] as const;
    const rankings = [{}, { stages }, { codecs: [ResidualCodec.from(WASM)] }].map((options) => reranker.rerank("q", ["a"], options));
    await reranker.vectorCache.clear();
    for (const { timings } of await Promise.all(rankings)) expect(timings).toMatchObject({ cacheHits: 0, cacheMisses: 1 });
    expect(await reranker.vectorCache.size()).toEqual({ memory: 0, stored: 0 });
  });

  test("that was disposed of holds nothing in memory", async () => {
    const reranker = await load(true);
    await told(reranker, ["a"]);
    reranker.dispose();
    expect((await reranker.vectorCache.size()).memory).toBe(0);
  });

  const refused: [unknown, RegExp][] = [
    [{ maxBytes: 0 }, /vectorCache\.maxBytes is 0/],
    [{ maxbytes: 1 }, /vectorCache\.maxbytes is no option/],
    [{ persist: "yes" }, /vectorCache\.persist is a string/],
    [{ codec: "residual" }, /vectorCache\.codec is none of/],
    ["yes", /vectorCache is a string/],
    [null, /vectorCache is null/],
  ];
  test.each(refused)("is not loaded with a cache that is %j", async (vectorCache, message) => {
    await expect(load(vectorCache as never)).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(message) });
  });
});

describe("a call", () => {
  test("may leave the cache alone", async () => {
    const reranker = await load(true);
    await told(reranker, ["a"]);
    expect(await told(reranker, ["a", "bb"], { vectorCache: false })).toEqual([undefined, undefined, undefined]);
    expect(await told(reranker, ["a", "bb"])).toEqual([1, 1, "int8"]);
  });

  test("that wants more of documents than is kept is as without one", async () => {
    const reranker = await load(true);
    for (const options of [{ stages: [{ use: "dense" }, { use: "late" }] }, { stages: [{ use: "bm25" }] }] satisfies RerankOptions<string>[]) {
      expect(await told(reranker, ["a"], options)).toEqual([undefined, undefined, undefined]);
    }
    const served: RerankOptions<string>[] = [{ stages: [{ use: "given", score: () => 1 }, { use: "bm25" }, { use: "late" }] }, { stages: [{ use: "bm25" }], diversify: 0.5 }, { stages: [{ use: "bm25" }], explain: true }];
    for (const [hits, options] of served.entries()) expect(await told(reranker, ["a"], options)).toEqual([Math.min(hits, 1), Number(hits === 0), "int8"]);
  });

  test("through two models asks the cache of each that has one", async () => {
    const cross = new FakeEngine();
    cross.info = { ...INFO, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => engine), fakeModule(async () => cross));
    const [reranker, crossEncoder] = [await load(true), await load(true)];
    const options: RerankOptions<string> = { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] };
    for (const hits of [0, 2]) {
      const { timings } = await reranker.rerank("q", ["a", "bb"], options);
      expect([timings.cacheHits, timings.cacheMisses]).toEqual([hits, 2 - hits]);
    }
    expect(cross.asked.map(({ keep }) => keep)).toEqual([undefined, undefined]);
  });

  test("that a newer one took the place of keeps nothing", async () => {
    const reranker = await load(true);
    engine.beforeText = async (_, pause) => void (await pause());
    const older = reranker.rerank("q", ["a"], { mode: "latest" });
    const newer = reranker.rerank("q", ["bb"], { mode: "latest" });
    await expect(older).rejects.toMatchObject({ name: "AbortError" });
    await newer;
    expect(await told(reranker, ["a", "bb"])).toEqual([1, 1, "int8"]);
  });

  test("brings embeddings along, and the others are looked for", async () => {
    const reranker = await load(true);
    const documents = [{ text: "a" }, { text: "bb", embeddings: [[1, 0]] }];
    for (const hits of [0, 1]) {
      const { timings } = await reranker.rerank("q", documents);
      expect([timings.cacheHits, timings.cacheMisses]).toEqual([hits, 1 - hits]);
    }
    expect(engine.vectors.at(-1)!.map(({ codec, places }) => [codec, ...places])).toEqual([["f32", 1], ["int8", 0]]);
  });

  test("names a document that was ranked before; with no cache, or for a stage that reads texts, it needs a text", async () => {
    const reranker = await load(true);
    await reranker.rerank("q", [{ id: 7, text: "a" }]);
    const { results } = await reranker.rerank("q", [{ id: 7 }]);
    expect(results.map(({ id, score }) => [id, score])).toEqual([["7", 1]]);
    await expect(reranker.rerank("q", [{ id: 7 }, { id: "other" }])).rejects.toMatchObject({ code: "NOT_CACHED", message: expect.stringContaining('documents[1] (id "other")'), details: { documents: [1] } });
    await expect(reranker.rerank("q", [{ id: 7 }], { vectorCache: false })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(reranker.rerank("q", [{ id: 7 }], { stages: [{ use: "bm25" }, { use: "late" }] })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect((await load(false)).rerank("q", [{ id: 7 }])).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});

describe("storage", () => {
  test("that is denied is warned of once", async () => {
    vi.stubGlobal("indexedDB", undefined);
    const warnings: Warning[] = [];
    const reranker = await load({ persist: true }, { onWarning: (warning) => warnings.push(warning) });
    expect(await told(reranker, ["a"])).toEqual([0, 1, "int8"]);
    expect(await told(reranker, ["a"])).toEqual([1, 0, "int8"]);
    await vi.waitFor(() => expect(warnings.filter(({ code }) => code === "VECTOR_CACHE_UNAVAILABLE")).toHaveLength(1));
    expect(await Reranker.clearVectors()).toBe(false);
  });

  test("is cleared by the model, or without one", async () => {
    const [one, other] = [await load({ persist: true }), await load({ persist: true })];
    await told(one, ["a"]);
    await one.vectorCache.size();
    await one.vectorCache.clear();
    expect(await told(other, ["a"])).toEqual([0, 1, "int8"]);
    await other.vectorCache.size();
    expect(await Reranker.clearVectors()).toBe(true);
    expect(await indexedDB.databases()).toEqual([]);
    expect(await told(await load({ persist: true }), ["a"])).toEqual([0, 1, "int8"]);
    expect((await indexedDB.databases()).map(({ name }) => name)).toEqual([DATABASE]);
  });
});
