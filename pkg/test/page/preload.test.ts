/** What a page can do before it loads a model: bring it into the storage, and look at what a load would find. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Progress, Reranker } from "../../src/index.js";
import { FakeEngine, fakeModule } from "../support/engine.js";
import { FakeServer, networkError, ok, safetensors, status } from "../support/server.js";
import { FILES, stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

const OPTIONS = { wasmUrl: "/model/tabrank.wasm" };

let workers: { urls: string[] };
let made: number;

beforeEach(() => {
  stubSite();
  made = 0;
  workers = stubWorkers(
    fakeModule(async () => {
      made++;
      return new FakeEngine();
    }),
  );
});
afterEach(() => vi.unstubAllGlobals());

/** A browser that answers so when it is asked to keep what is stored. */
const stubPersistence = (persist: () => Promise<boolean>, persisted = false) =>
  vi.stubGlobal("navigator", { storage: { persist: vi.fn(persist), persisted: async () => persisted, estimate: async () => ({ usage: 5, quota: 100 }) } });

describe("preload", () => {
  test("stores what a load then finds without a request, and makes no engine", async () => {
    const progress: Progress[] = [];
    const { stored, bytes } = await Reranker.preload("/model", { ...OPTIONS, onProgress: (one) => progress.push(one) });
    expect({ stored, bytes, made }).toEqual({ stored: true, bytes: 4 + safetensors(50).length, made: 0 });
    expect(progress.at(-1)).toMatchObject({ phase: "ready", progress: 1 });
    expect([await Reranker.isCached("/model"), (await Reranker.cached()).map(({ complete }) => complete)]).toEqual([true, [true]]);
    const { length } = FakeServer.last!.requests;
    await Reranker.load("/model", OPTIONS);
    expect(FakeServer.last!.requests.slice(length)).toEqual(["tabrank.wasm"]);
    expect(made).toBe(1);
  });

  test("of what is there fetches nothing and starts no worker", async () => {
    await Reranker.load("/model", OPTIONS);
    const before = [FakeServer.last!.requests.length, workers.urls.length];
    const progress: Progress[] = [];
    expect(await Reranker.preload("/model", { onProgress: (one) => progress.push(one) })).toMatchObject({ stored: true });
    expect([FakeServer.last!.requests.length, workers.urls.length]).toEqual(before);
    expect(progress).toEqual([expect.objectContaining({ phase: "ready", progress: 1, fromCache: true })]);
  });

  test("converts what is to be converted", async () => {
    expect(await Reranker.preload("/model", { ...OPTIONS, dtype: "q8" })).toMatchObject({ stored: true });
    expect([await Reranker.isCached("/model", { dtype: "q8" }), await Reranker.isCached("/model"), made]).toEqual([true, false, 0]);
  });

  test("says so where nothing can be kept", async () => {
    vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("denied", "SecurityError")) });
    const warnings: string[] = [];
    expect(await Reranker.preload("/model", { ...OPTIONS, onWarning: ({ code }) => warnings.push(code) })).toEqual({ stored: false, bytes: 0, persisted: false });
    expect(warnings).toEqual(["CACHE_UNAVAILABLE"]);
  });

  test("ends with its signal, and leaves what came to go on with", async () => {
    const stopping = new AbortController();
    const loading = Reranker.preload("/model", { ...OPTIONS, signal: stopping.signal, onProgress: () => stopping.abort() });
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    expect(await Reranker.isCached("/model")).toBe(false);
  });

  test.each<[string, () => Promise<unknown>]>([
    ["files", () => Reranker.preload({ "config.json": new Blob() } as never)],
    ["headers that are none", () => Reranker.preload("/model", { headers: 1 } as never)],
  ])("of %s is refused", async (_, call) => {
    await expect(call()).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("with a folder that is not there fails as a load does", async () => {
    await expect(Reranker.preload("/nothing", OPTIONS)).rejects.toMatchObject({ code: "HTTP_STATUS" });
  });
});

describe("storage that is to be kept", () => {
  test("is asked for where it is told to, and the answer is passed on", async () => {
    for (const answer of [true, false]) {
      stubPersistence(async () => answer);
      expect(await Reranker.preload("/model", { ...OPTIONS, persist: true })).toMatchObject({ persisted: answer });
      expect(await (await Reranker.load("/model", { ...OPTIONS, persist: true })).persisted()).toBe(answer);
      expect(navigator.storage.persist).toHaveBeenCalledTimes(2);
    }
  });

  test("is not asked for otherwise", async () => {
    stubPersistence(async () => false, true);
    expect(await Reranker.preload("/model", OPTIONS)).toMatchObject({ persisted: true });
    expect(await (await Reranker.load("/model", OPTIONS)).persisted()).toBe(true);
    expect(navigator.storage.persist).not.toHaveBeenCalled();
  });

  test("holds nothing up while the user thinks", async () => {
    stubPersistence(() => new Promise(() => {}));
    expect(await Reranker.preload("/model", { ...OPTIONS, persist: true })).toMatchObject({ stored: true, persisted: false });
    const { results } = await (await Reranker.load("/model", { ...OPTIONS, persist: true })).rerank("q", ["a"]);
    expect(results).toHaveLength(1);
  });
});

describe("probe", () => {
  const probed = async (files: ConstructorParameters<typeof FakeServer>[0]) => {
    const server = new FakeServer(files);
    const { model } = await Reranker.probe("/model");
    const asked = server.requests.map((name, place) => `${server.inits[place]!.method} ${name}`);
    return { model, asked };
  };

  test("tells what there is, and asks nothing of a server", async () => {
    stubPersistence(async () => true);
    const { cores, ...rest } = await Reranker.probe();
    expect(rest).toEqual({ simd: expect.stringMatching(/^(simd128|relaxed)$/), gpu: { unavailable: expect.stringContaining("WebGPU") }, storage: { persisted: false, usage: 5, quota: 100 } });
    expect(cores).toBeGreaterThan(0);
    expect([FakeServer.last!.requests, workers.urls]).toEqual([[], []]);
  });

  test("names a GPU that can be used", async () => {
    const adapter = { info: { description: "", vendor: "acme", architecture: "gen-9" }, features: new Set(["timestamp-query"]), limits: { maxStorageBufferBindingSize: 1, maxBufferSize: 1 } };
    vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => adapter }, userAgent: "" });
    expect((await Reranker.probe()).gpu).toEqual({ adapter: "acme gen-9" });
  });

  test.each<[string, Record<string, ReturnType<typeof ok>>, object, string[]]>([
    ["of a bundle by its manifest", { "tabrank.json": ok('{"dtype": "q4", "files": [{"bytes": 100}, {"bytes": 20}]}') }, { bytes: 120, dtype: "q4" }, ["GET tabrank.json"]],
    ["of a checkpoint by its weights' length", { "model.safetensors": ok("", { "content-length": "90000" }) }, { bytes: 90_000 }, ["GET tabrank.json", "HEAD model.safetensors"]],
    ["of shards by their list", { "model.safetensors.index.json": ok('{"metadata": {"total_size": 7000}}') }, { bytes: 7_000 }, ["GET tabrank.json", "HEAD model.safetensors", "GET model.safetensors.index.json"]],
    ["unless a server tells nothing", { "tabrank.json": status(403), "model.safetensors": networkError, "model.safetensors.index.json": ok("<!doctype html>") }, {}, ["GET tabrank.json", "HEAD model.safetensors", "GET model.safetensors.index.json"]],
  ])("tells the size %s", async (_, files, found, requests) => {
    const { model, asked } = await probed(files);
    expect(model).toEqual({ stored: false, ...found });
    expect(asked).toEqual(requests);
  });

  test("asks for nothing of a model that is stored", async () => {
    const { bytes } = await Reranker.preload("/model", OPTIONS);
    const { model, asked } = await probed(FILES);
    expect({ model, asked }).toEqual({ model: { stored: true, bytes }, asked: [] });
    expect((await Reranker.probe("/model", { dtype: "q8" })).model!.stored).toBe(false);
  });

  test("tells how fast an earlier visit was, once it has ranked enough", async () => {
    const reranker = await Reranker.load("/model", OPTIONS);
    const speed = async () => (await Reranker.probe("/model")).model!.speed;
    expect(await speed()).toBeUndefined();
    for (let call = 0; call < 2; call++) await reranker.rerank("q", Array.from({ length: 100 }, (_, place) => `document ${place}`));
    await vi.waitFor(async () => expect(await speed()).toEqual({ device: "cpu", workers: 1, tokensPerSecond: expect.any(Number) }));
  });

  test("ends with its signal", async () => {
    const stopping = new AbortController();
    const asked = vi.fn((_: string, { signal }: RequestInit) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))));
    vi.stubGlobal("fetch", asked);
    const probing = Reranker.probe("/model", { signal: stopping.signal });
    await vi.waitUntil(() => asked.mock.calls.length > 0);
    stopping.abort();
    await expect(probing).rejects.toMatchObject({ name: "AbortError" });
  });
});
