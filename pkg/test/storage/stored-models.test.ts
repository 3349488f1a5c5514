import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LoadOptions } from "../../src/index.js";
import { Reranker } from "../../src/page/reranker.js";
import { fakeModule } from "../support/engine.js";
import { type Answer, FakeServer, networkError, ok, safetensors, status } from "../support/server.js";
import { type FakeCache, stubLocks, stubStorage } from "../support/storage.js";
import { stubWorkers } from "../support/workers.js";

const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[]"), "model.safetensors": ok(safetensors(50)) };
const CANARY = "do-not-tell";

let storage: FakeCache;

const load = (source: string, options: LoadOptions = {}) => Reranker.load(source, { wasmUrl: "/model/tabrank.wasm", ...options });
const listed = async () => (await Reranker.cached()).map(({ source, revision }) => `${source}@${revision}`).sort();

beforeEach(() => {
  storage = stubStorage();
  stubLocks();
  vi.stubGlobal("location", { href: "https://host/app/index.html" });
  const inFolders = ["", "other/", "/hub/owner/name/resolve/main/", "/hub/owner/name/resolve/v1/"].flatMap((folder) => Object.entries(FILES).map(([name, answer]) => [folder + name, answer]));
  new FakeServer({ ...Object.fromEntries(inFolders), "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }) });
  stubWorkers(fakeModule());
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("what is kept", () => {
  test("is listed by what a load has to name to find it again", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1e12 });
    await load("/model/", { revision: "2", dtype: "q8" });
    await load("owner/name", { hub: "https://host/hub" });
    vi.setSystemTime(2e12);
    await load("owner/name", { hub: "https://host/hub" });
    const bytes = 2 + 2 + safetensors(50).length;
    expect(await Reranker.cached()).toEqual([
      { source: "owner/name", hub: "https://host/hub", revision: "main", bytes, storedAt: new Date(1e12), usedAt: new Date(2e12), complete: true },
      { source: "https://host/model/", revision: "2", dtype: "q8", bytes: expect.any(Number), storedAt: new Date(1e12), usedAt: new Date(1e12), complete: true },
    ]);
    const asked = FakeServer.last!.requests.length;
    for (const { source, ...options } of await Reranker.cached()) expect(await Reranker.isCached(source, options)).toBe(true);
    expect(FakeServer.last!.requests).toHaveLength(asked);
  });

  /** Files in place of those that are there for every test. */
  const serve = (files: Record<string, Answer>) => new FakeServer({ "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }), ...files });

  test.each<[string, LoadOptions, Record<string, Answer>, string]>([
    ["that there is not", {}, {}, "HTTP_STATUS"],
    ["that there is not, to be converted", { dtype: "q8" }, {}, "HTTP_STATUS"],
    ["that cannot be converted, since it is not all there to be fetched", { dtype: "q8" }, { ...FILES, "model.safetensors": status(401) }, "HTTP_STATUS"],
    ["that cannot be reached", {}, { "tabrank.json": networkError }, "OFFLINE_NOT_CACHED"],
  ])("is nothing of a model %s", async (_, options, files, code) => {
    serve(files);
    vi.stubGlobal("navigator", { onLine: code !== "OFFLINE_NOT_CACHED" });
    await expect(load("/model/", options)).rejects.toMatchObject({ code });
    expect(await Reranker.cached()).toEqual([]);
    expect(storage.entries.size).toBe(0);
  });

  test("is what a load that broke off has fetched, also after another of which nothing came", async () => {
    for (const files of [{ ...FILES, "tokenizer.json": status(401) }, {}]) {
      serve(files);
      await expect(load("/model/")).rejects.toMatchObject({ code: "HTTP_STATUS" });
      expect(storage.blobs).toHaveLength(1);
      expect(await Reranker.cached()).toMatchObject([{ bytes: 2, complete: false }]);
    }
  });

  test("is the version that works alone, where a new one began and the storage took and gave up nothing more", async () => {
    await load("/model/");
    let writes = 0;
    storage.refuse = () => writes++ > 0;
    storage.beforeStep = (step) => {
      if (step === "delete") throw new DOMException("no room", "QuotaExceededError");
    };
    await load("/model/", { cache: "reload" });
    expect(await Reranker.cached()).toMatchObject([{ complete: true }]);
  });

  test("is incomplete where a file of it is gone", async () => {
    await load("/model/");
    storage.entries.delete(storage.addressOf("config.json"));
    expect(await Reranker.cached()).toMatchObject([{ complete: false }]);
    expect(await Reranker.isCached("/model/")).toBe(false);
  });

  test("is of two revisions at most, those that were used last, and of any number of models", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1e12 });
    for (const revision of ["1", "2", "1", "3"]) {
      await load("/model/", { revision });
      vi.setSystemTime(Date.now() + 1000);
    }
    for (const source of ["/model/other/", "owner/name"]) await load(source, source.startsWith("/") ? {} : { hub: "https://host/hub" });
    await load("/model/", { revision: "1", dtype: "q8" });
    expect(await listed()).toEqual(["https://host/model/@1", "https://host/model/@1", "https://host/model/@3", "https://host/model/other/@", "owner/name@main"]);
  });

  test("is cleared model by model, or at once, and nothing else with it", async () => {
    for (const revision of ["1", "2"]) await load("/model/", { revision, dtype: "q8" });
    await load("/model/", { headers: { authorization: CANARY } });
    await load("/model/other/");
    for (const revision of ["main", "v1"]) await load("owner/name", { hub: "https://host/hub", revision });
    expect(await Reranker.clearCached("/model/")).toBe(true);
    expect(await listed()).toEqual(["https://host/model/other/@", "owner/name@main", "owner/name@v1"]);
    expect(await Reranker.clearCached("owner/name", { hub: "https://host/hub" })).toBe(true);
    expect(await listed()).toEqual(["https://host/model/other/@"]);
    expect([await Reranker.clearCached(), await Reranker.clearCached()]).toEqual([true, false]);
    expect(storage.entries.size).toBe(0);
  });

  test("by builds before this one goes at the first look", async () => {
    const dropped: string[] = [];
    vi.stubGlobal("caches", { open: async () => storage, delete: async (name: string) => dropped.push(name) });
    await Reranker.cached();
    expect(dropped).toEqual(["tabrank-v1"]);
  });

  test("is nothing where the browser denies storage", async () => {
    vi.stubGlobal("caches", undefined);
    expect([await Reranker.cached(), await Reranker.isCached("/model/"), await Reranker.deleteCached("/model/"), await Reranker.clearCached()]).toEqual([[], false, false, false]);
  });
});

describe("credentials", () => {
  const headers = { authorization: `Bearer ${CANARY}`, "x-key": "1" };
  const everything = () => JSON.stringify([...storage.entries].map(([url, entry]) => [url, entry.headers, new TextDecoder().decode(entry.bytes)]));

  test("tell one model from another, in any order, and are not written down", async () => {
    await load("/model/", { headers });
    const same = { "X-Key": "1", Authorization: headers.authorization };
    expect(await Promise.all([undefined, { ...headers, authorization: "other" }, headers, same].map((sent) => Reranker.isCached("/model/", sent ? { headers: sent } : {})))).toEqual([false, false, true, true]);
    await load("/model/?signature=do-not-tell");
    expect(await Reranker.isCached("/model/?signature=other")).toBe(false);
    expect(await listed()).toEqual(["https://host/model/@", "https://host/model/@"]);
    expect(everything()).not.toContain(CANARY);
  });
});
