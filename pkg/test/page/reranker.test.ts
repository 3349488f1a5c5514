import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type LoadOptions, type LongDocumentOptions, type Progress, Reranker, type TokenPoolingOptions } from "../../src/index.js";
import { Latest } from "../../src/page/latest.js";
import { FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { FakeServer, ok, safetensors } from "../support/server.js";
import { FILES, stubSite, WASM } from "../support/site.js";
import { LoopWorker, stubWorkers } from "../support/workers.js";

const CANARY = "do-not-tell";
const LONG = "a very long text";

let engine: FakeEngine;
let workers: { urls: string[] };

beforeEach(() => {
  stubSite();
  engine = new FakeEngine();
  workers = stubWorkers(fakeModule(async () => engine));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = (options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", ...options });

describe("load", () => {
  test("resolves addresses against the page, and tells of the model, the device and the warnings", async () => {
    const warnings: string[] = [];
    const reranker = await load({ workerUrl: "../assets/worker.js", onWarning: ({ code }) => warnings.push(code) });
    expect(workers.urls).toEqual(["https://host/assets/worker.js"]);
    expect(FakeServer.last!.requests.slice(0, 2)).toEqual(["tabrank.wasm", "tabrank.json"]);
    expect(reranker).toMatchObject({ model: INFO, device: "cpu", simd: "simd128" });
    expect(warnings).toEqual(["WEBGPU_FALLBACK", "NO_LATE_INTERACTION_HEAD"]);
    expect(reranker.warnings.map(({ code }) => code)).toEqual(warnings);
  });

  test("starts the package's own worker by default", async () => {
    await load();
    expect(workers.urls).toEqual([new URL("../../src/page/worker.js", import.meta.url).href]);
  });

  /** A module that wants one function, `m.f`. */
  const DEMANDING = [0x02, 0x07, 0x01, 0x01, 0x6d, 0x01, 0x66, 0x00, 0x00];

  test.each([
    ["lacks what is called of it", []],
    ["wants what is not there", [0x01, 0x04, 0x01, 0x60, 0x00, 0x00, ...DEMANDING]],
  ])("refuses a module of another version, which %s", async (_, more) => {
    const init = async ({ module_or_path }: { module_or_path: WebAssembly.Module }) => {
      const { exports } = await WebAssembly.instantiate(module_or_path, { m: {} });
      (exports as unknown as { __wbindgen_start(): void }).__wbindgen_start();
    };
    stubWorkers({ ...fakeModule(), init });
    const server = new FakeServer({ ...FILES, "tabrank.wasm": ok(Uint8Array.of(...WASM, ...more), { "content-type": "application/wasm" }) });
    const message = expect.stringContaining("https://host/model/tabrank.wasm holds another module than this version's");
    await expect(load()).rejects.toMatchObject({ code: "INTEGRITY_FAILED", message, hint: expect.stringContaining("of one version") });
    // What a worker had begun ends with it; this one is none.
    await vi.waitFor(() => expect(server.requests).toContain("tabrank.json"));
  });

  test("takes the files themselves", async () => {
    const bytes = new Uint8Array(safetensors(50));
    const reranker = await Reranker.load({ "config.json": new Blob(["{}"]), "tokenizer.json": new TextEncoder().encode("[]"), "model.safetensors": bytes.buffer }, { wasmUrl: "/model/tabrank.wasm" });
    expect(reranker.model).toEqual(INFO);
    expect(FakeServer.last!.requests).toEqual(["tabrank.wasm"]);
  });

  test("reports ready once, last, and nothing after an abort", async () => {
    const events: Progress[] = [];
    await load({ onProgress: (progress) => events.push(progress) });
    expect(events.map(({ phase }) => phase).filter((phase, index, all) => phase !== all[index - 1])).toEqual(["compile", "download", "ready"]);
    expect(events.at(-1)!.progress).toBe(1);

    const controller = new AbortController();
    const aborted: Progress[] = [];
    const loading = load({
      signal: controller.signal,
      onProgress: (progress) => {
        aborted.push(progress);
        if (progress.phase === "download") controller.abort();
      },
    });
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(aborted.map(({ phase }) => phase)).toEqual(["compile", "download"]);
  });

  test.each([
    ["a scheme", "javascript:alert(1)", {}, "source has the scheme javascript:"],
    ["a source", 7, {}, "source is a number"],
    ["a file", { "config.json": "text" }, {}, 'source["config.json"] is a string'],
    ["a device", "/model", { device: "gpu" }, "device is none of"],
    ["a cache mode", "/model", { cache: "no" }, "cache is none of"],
    ["a header", "/model", { headers: { "a b": "c" } }, "headers are no valid"],
    ["a type of weights", "/model", { dtype: "int8" }, 'dtype is none of "f32", "f16", "q8", "q4"'],
    ["a word for special tokens", "/model", { specialTokens: "escape" }, 'specialTokens is none of "parse", "text"'],
    ["a setting that there is not", "/model", { overrides: { queryMaxlen: 8 } }, "overrides.queryMaxlen is no setting; there are queryPrefix, "],
    ["a length", "/model", { overrides: { queryLength: 0 } }, "overrides.queryLength is 0; expected a positive integer"],
    ["a length that is not counted to", "/model", { overrides: { documentLength: 2 ** 40 } }, "overrides.documentLength is 1099511627776; expected a number from 1 to 4294967295"],
    ["a prefix", "/model", { overrides: { documentPrefix: 7 } }, "overrides.documentPrefix is a number"],
    ["a switch", "/model", { overrides: { doQueryExpansion: "no" } }, "overrides.doQueryExpansion is a string"],
    ["a width", "/model", { overrides: { truncateDim: 1.5 } }, "overrides.truncateDim is 1.5; expected a positive integer"],
    ["a word of the skiplist", "/model", { overrides: { skiplistWords: [".", 7] } }, "overrides.skiplistWords[1] is a number"],
    ["a skiplist without end", "/model", { overrides: { skiplistWords: { length: 3 } } }, "overrides.skiplistWords is an object; expected an array"],
    ["a choice of instructions", "/model", { simd: "none" }, "simd is none of"],
    ["a limit", "/model", { limits: { queue: 0 } }, "limits.queue is 0"],
  ])("refuses %s before anything starts", async (_, source, options, message) => {
    await expect(Reranker.load(source as string, options as LoadOptions)).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining(message) });
    expect(workers.urls).toEqual([]);
  });

  test("outside of a browser says so", async () => {
    vi.stubGlobal("Worker", undefined);
    await expect(load()).rejects.toMatchObject({ code: "WORKER_FAILED" });
  });

  test("finds a model of a hub by its id, at the revision that was asked for", async () => {
    const files = Object.fromEntries(Object.entries(FILES).map(([name, answer]) => [`/root/owner/na.me_1/resolve/refs%2Fpr%2F1/${name}`, answer]));
    new FakeServer({ ...files, "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }) });
    const place = { hub: "https://hub.example/root/", revision: "refs/pr/1", dtype: "q8" } as const;
    const module = fakeModule(async () => engine);
    const convert = vi.spyOn(module, "convert");
    workers = stubWorkers(module);
    await Reranker.load("owner/na.me_1", { ...place, wasmUrl: "/model/tabrank.wasm" });
    expect(convert).toHaveBeenCalledWith(expect.anything(), { dtype: "q8", repository: "owner/na.me_1", revision: "refs/pr/1" }, expect.anything(), expect.anything());
    expect(await Reranker.isCached("owner/na.me_1", place)).toBe(true);
    expect(await Reranker.isCached("owner/na.me_1", { ...place, dtype: "q4" })).toBe(false);
    expect(await Reranker.deleteCached("owner/na.me_1", place)).toBe(true);
  });

  test("takes what looks like an id for a relative address where no hub is named", async () => {
    await expect(Reranker.load("models/all-MiniLM-L6-v2", { wasmUrl: "/model/tabrank.wasm" })).rejects.toMatchObject({ details: { url: "https://host/app/models/all-MiniLM-L6-v2/config.json" } });
    await expect(Reranker.load("owner/name", { wasmUrl: "/model/tabrank.wasm", hub: "https://hub.example" })).rejects.toMatchObject({
      details: { url: "https://hub.example/owner/name/resolve/main/config.json" },
    });
  });

  test.each([
    ["Basic with what stands in the address", "https://me:p%C3%A4ss@host/model/", {}, `Basic ${btoa("me:p\u00c3\u00a4ss")}`],
    ["the caller's own header before that", "https://me:pass@host/model/", { headers: { Authorization: "Bearer x" } }, "Bearer x"],
    ["nothing where there is nothing", "https://host/model/", {}, undefined],
  ])("sends %s as authorization, and fetches no address with a name in it", async (_, source, options, authorization) => {
    await Reranker.load(source, { wasmUrl: "https://me:pass@host/model/tabrank.wasm", ...options });
    const { requests, inits } = FakeServer.last!;
    for (const name of Object.keys(FILES)) expect(inits[requests.indexOf(name)]!.headers).toEqual(authorization === undefined ? {} : { authorization });
    expect(FakeServer.last!.urls.filter((url) => url.includes("@"))).toEqual([]);
  });

  test.each(["name", "owner/name/part", "../name", "owner/.name", "/owner/name", "https://elsewhere.example/a/b", "owner/na me", "owner/", new URL("https://host/owner/name"), {}])(
    "of %s with a hub is refused",
    async (id) => {
      const loading = Reranker.load(id as string, { hub: "https://hub.example" });
      await expect(loading).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining("owner/name") });
    },
  );

  test("takes the module with relaxed SIMD where the browser has that, unless told otherwise", async () => {
    const asked = async (relaxed: boolean, options: LoadOptions) => {
      vi.spyOn(WebAssembly, "validate").mockReturnValue(relaxed);
      const server = new FakeServer({});
      await Reranker.load("/model", options).catch(() => {});
      return server.requests.map((request) => request.split("/").at(-1)!).find((name) => name.endsWith(".wasm"));
    };
    expect(await asked(true, {})).toBe("tabrank-relaxed.wasm");
    expect(await asked(false, {})).toBe("tabrank.wasm");
    expect(await asked(true, { simd: "simd128" })).toBe("tabrank.wasm");
    expect(await asked(true, { wasmUrl: "/own.wasm" })).toBe("own.wasm");
  });

  test("takes an address of a module that is no whole one, as Next.js makes them, from the page", async () => {
    class Relative extends URL {
      override get href() {
        return super.href.replace("file://", "");
      }
      override toString() {
        return this.href;
      }
    }
    vi.stubGlobal("URL", Relative);
    const server = new FakeServer({});
    await Reranker.load("https://host/model/").catch(() => {});
    const [asked] = server.urls.filter((url) => url.endsWith(".wasm"));
    expect(asked).toMatch(/^https:\/\/host\/.*\.wasm$/);
  });

  test("fills the storage that isCached and deleteCached look at", async () => {
    expect(await Reranker.isCached("/model")).toBe(false);
    await load();
    expect(await Reranker.isCached("https://host/model/")).toBe(true);
    expect(await Reranker.deleteCached("/model/")).toBe(true);
    expect(await Reranker.isCached("/model")).toBe(false);
  });
});

describe("rerank", () => {
  test("gives the caller's own objects in the new order, duplicates apart", async () => {
    const documents = [{ body: "bb" }, { body: "a" }, { body: "dddd" }, { body: "bb" }];
    const reranker = await load();
    const { results, device, timings, warnings } = await reranker.rerank("q", documents, { text: ({ body }) => body, explain: true });
    expect(results.map(({ index, rank, score, normalizedScore }) => [index, rank, score, normalizedScore])).toEqual([
      [2, 1, 4, 1],
      [0, 2, 2, 0.5],
      [3, 3, 2, 0.5],
      [1, 4, 1, 0.25],
    ]);
    for (const { index, document } of results) expect(document).toBe(documents[index]);
    expect(results[0]!.explanation).toMatchObject({ score: 4, matches: [] });
    expect({ device, warnings }).toEqual({ device: "cpu", warnings: [] });
    expect(timings.total).toBeGreaterThanOrEqual(0);
  });

  test("keeps the best topK, and says which texts were cut", async () => {
    const reranker = await load();
    const { results } = await reranker.rerank("q", ["a", LONG], { topK: 1 });
    expect(results).toMatchObject([{ index: 1, truncated: true }]);
    expect(results[0]).not.toHaveProperty("explanation");
  });

  test.each([
    ["unit vectors", true, [1, 1, -1]],
    ["vectors of any length", false, [1.25, 1, -1.25]],
  ])("of %s: what rounding adds to the normalized score is taken off, where it can be told, and the score stays", async (_, normalized, expected) => {
    engine.info = { ...INFO, normalized };
    const scores = normalized ? Float32Array.of(4.000001, 4, -4.000001) : Float32Array.of(5, 4, -5);
    const order = { scored: 3, unscored: 0, cost: { tokens: 3, pairs: 3 }, indices: Uint32Array.of(0, 1, 2), sameAs: Uint32Array.of(0, 1, 2), ranks: Uint32Array.of(1, 2, 3), scores: scores.slice() };
    vi.spyOn(engine, "rerank").mockResolvedValue({ ...order, bound: 4, queryTruncated: false, truncated: new Uint8Array(3), warnings: [] });
    const reranker = await load();
    const { results } = await reranker.rerank("q", ["a", "b", "c"]);
    expect(results.map(({ normalizedScore }) => normalizedScore)).toEqual(expected);
    expect(Float32Array.from(results, ({ score }) => score)).toEqual(scores);
  });

  test("of an empty list is empty, without work", async () => {
    const reranker = await load();
    expect((await reranker.rerank("q", [])).results).toEqual([]);
    expect(engine.started).toEqual([]);
    await expect(reranker.rerank(" ", [])).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(reranker.rerank("q", [], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });

  test("is not upset by a list that changes meanwhile, or by a listener that throws", async () => {
    const reranker = await load();
    const uncaught = vi.fn();
    vi.stubGlobal("queueMicrotask", uncaught);
    const documents = ["a", "bb"];
    const call = reranker.rerank("q", documents, {
      onProgress: () => {
        throw new Error("listener");
      },
    });
    documents.length = 0;
    expect((await call).results.map(({ document }) => document)).toEqual(["bb", "a"]);
    expect(uncaught).toHaveBeenCalledTimes(2);
  });

  test("ten at once give each their own result", async () => {
    const reranker = await load();
    const lists = Array.from({ length: 10 }, (_, call) => Array.from({ length: 3 }, (_, place) => "x".repeat(((call + place) % 5) + 1)));
    const outputs = await Promise.all(lists.map((documents) => reranker.rerank("q", documents)));
    outputs.forEach(({ results }, call) => expect(results[0]!.score).toBe(Math.max(...lists[call]!.map((text) => text.length))));
  });
});

describe("of calls in the mode latest the newest counts", () => {
  /** Renders what comes, and counts what is stale by then. */
  class SearchBox {
    typed = "";
    readonly shown: number[] = [];
    stale = 0;

    async type(query: string, call: Promise<unknown>): Promise<void> {
      this.typed = query;
      try {
        await call;
      } catch (error) {
        expect(error).toMatchObject({ name: "AbortError" });
        return;
      }
      if (this.typed !== query) this.stale++;
      this.shown.push(Number(query));
    }
  }

  test("while somebody types 1,000 keys, no answer is shown late or out of order, and the last is shown", async () => {
    // 20 keys a second, some forty times as fast, with a look at the results now and then; an answer takes the time of up to four keys.
    const times = { key: 1, look: 10 };
    engine.beforeText = () => new Promise((resolve) => setTimeout(resolve, engine.started.length % 5));
    const reranker = await load({ limits: { queue: 2 } });
    const box = new SearchBox();
    const renders: Promise<void>[] = [];
    for (let key = 1; key <= 1000; key++) {
      renders.push(box.type(String(key), reranker.rerank(String(key), ["a"], { mode: "latest" })));
      await new Promise((resolve) => setTimeout(resolve, key % 20 === 0 ? times.look : times.key));
    }
    await Promise.all(renders);
    expect(box.stale).toBe(0);
    expect(box.shown).toEqual([...box.shown].sort((a, b) => a - b));
    expect(box.shown.at(-1)).toBe(1000);
    expect(box.shown.length).toBeGreaterThan(10);
    expect(box.shown.length).toBeLessThan(1000);
  });

  test("also when it is refused, and calls in the other mode are left alone", async () => {
    const reranker = await load();
    const other = reranker.rerank("other", ["a"]);
    const first = reranker.rerank("first", ["a"], { mode: "latest" });
    const refused = reranker.rerank(" ", ["a"], { mode: "latest" });
    await expect(first).rejects.toMatchObject({ name: "AbortError" });
    await expect(refused).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect((await other).results).toHaveLength(1);
  });

  test("and a signal ends it with its own reason", async () => {
    const reranker = await load();
    const controller = new AbortController();
    const call = reranker.rerank("q", ["a"], { mode: "latest", signal: controller.signal });
    controller.abort("enough");
    await expect(call).rejects.toBe("enough");
    await expect(reranker.rerank("q", ["a"], { mode: "latest", signal: controller.signal })).rejects.toBe("enough");
    expect((await reranker.rerank("q", ["a"], { mode: "latest" })).results).toHaveLength(1);
  });

  test("and an answer that came just before the newer call is not shown after it", async () => {
    const latest = new Latest();
    let answer: (text: string) => void = () => {};
    const older = latest.run(undefined, () => new Promise<string>((resolve) => (answer = resolve)));
    answer("older");
    const newer = latest.run(undefined, async () => "newer");
    await expect(older).rejects.toMatchObject({ name: "AbortError" });
    expect(await newer).toBe("newer");
  });
});

describe("long documents", () => {
  const CALLS: Record<string, (reranker: Reranker, options: LongDocumentOptions) => Promise<unknown>> = {
    rerank: (reranker, options) => reranker.rerank("q", ["a"], options),
    encodeDocuments: (reranker, options) => reranker.encodeDocuments(["a"], options),
    explain: (reranker, options) => reranker.explain("q", "a", options),
  };

  test.each(Object.entries(CALLS))("are cut by %s unless windows are asked for", async (_, call) => {
    const reranker = await load();
    await call(reranker, {});
    await call(reranker, { longDocuments: "cut" });
    await call(reranker, { longDocuments: "windows" });
    await call(reranker, { longDocuments: "windows", overlap: 0, maxWindows: 3 });
    expect(engine.windows).toEqual([undefined, undefined, { maxWindows: 16 }, { overlap: 0, maxWindows: 3 }]);
  });

  test.each([...Object.entries(CALLS), ["encodeQuery", (reranker: Reranker, options: LongDocumentOptions) => reranker.encodeQuery("q", options)] as const])("are refused by %s with options that make no sense", async (_, call) => {
    const reranker = await load();
    const windows = { longDocuments: "windows" } as const;
    for (const [options, message] of [
      [{ longDocuments: "whole" as "cut" }, 'longDocuments is none of "cut", "windows"'],
      [{ ...windows, overlap: -1 }, "overlap is -1; expected a whole number from 0"],
      [{ ...windows, overlap: 2 ** 32 }, "overlap is 4294967296; expected a number from 0 to 4294967295"],
      [{ ...windows, maxWindows: Number.MAX_SAFE_INTEGER }, "maxWindows is 9007199254740991; expected a number from 1 to 4294967295"],
      [{ ...windows, maxWindows: 0 }, "maxWindows is 0; expected a positive integer"],
      [{ overlap: 4 }, "overlap is given, but long documents are cut"],
      [{ longDocuments: "cut", maxWindows: 4 }, "maxWindows is given, but long documents are cut"],
    ] as const) {
      await expect(call(reranker, options), message).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    }
    expect(engine.windows).toEqual([]);
  });
});

describe("token pooling", () => {
  const CALLS: Record<string, (reranker: Reranker, options: TokenPoolingOptions) => Promise<unknown>> = {
    rerank: (reranker, options) => reranker.rerank("q", ["a"], options),
    encodeDocuments: (reranker, options) => reranker.encodeDocuments(["a"], options),
  };

  test.each(Object.entries(CALLS))("of %s is a factor, or settings with defaults of the engine's", async (_, call) => {
    const reranker = await load();
    const settings = { factor: 1.5, protected: 0, normalize: false };
    for (const options of [{}, { tokenPooling: 2 }, { tokenPooling: { factor: 3 } }, { tokenPooling: settings }]) await call(reranker, options);
    await reranker.encodeQuery("q", { tokenPooling: 2 });
    expect(engine.tokenPoolings).toEqual([undefined, { factor: 2 }, { factor: 3 }, settings, undefined]);
  });

  test.each(Object.entries(CALLS))("of %s is refused by the setting that is wrong", async (_, call) => {
    const reranker = await load();
    for (const [tokenPooling, message] of [
      [0.5, "tokenPooling.factor is 0.5; expected a number from 1 to 3.4028234663852886e+38"],
      [Number.NaN, "tokenPooling.factor is NaN; expected a number from 1 to 3.4028234663852886e+38"],
      ["2" as unknown as number, "tokenPooling is a string; expected an object"],
      [{} as { factor: number }, "tokenPooling.factor is missing"],
      [{ factor: 2, protected: -1 }, "tokenPooling.protected is -1; expected a whole number from 0"],
      [{ factor: 2, normalise: true } as { factor: number }, "tokenPooling.normalise is no setting; there are factor, protected, normalize"],
    ] as const) {
      await expect(call(reranker, { tokenPooling }), message).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    }
    expect(engine.tokenPoolings).toEqual([]);
  });

  test("goes with no pooling of texts, and with no cross-encoder", async () => {
    const reranker = await load();
    const message = 'tokenPooling is given, and with pooling "mean" no token embeddings stay';
    await expect(reranker.encodeDocuments(["a"], { tokenPooling: 2, pooling: "mean" })).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    engine.info = { ...engine.info, kind: "crossEncoder" };
    const crossEncoder = await load();
    await expect(crossEncoder.rerank("q", ["a"], { tokenPooling: 2 })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "tokenPooling is given, and a cross-encoder makes no embeddings" });
  });
});

describe("encode and explain", () => {
  test("give flat arrays, also of nothing", async () => {
    const reranker = await load();
    const one = { lengths: Uint32Array.of(1), dimension: 2, truncated: Uint8Array.of(0) };
    expect(await reranker.encodeQuery("q")).toEqual({ values: Float32Array.of(1, 0), ...one });
    const two = { lengths: Uint32Array.of(1, 1), dimension: 2, truncated: Uint8Array.of(0, 0) };
    expect(await reranker.encodeDocuments(["a", "bb"], { pooling: "mean" })).toEqual({ values: Float32Array.of(1, 0, 2, 0), ...two });
    const none = { lengths: new Uint32Array(), dimension: 2, truncated: new Uint8Array() };
    expect(await reranker.encodeDocuments([])).toEqual({ values: new Float32Array(), ...none });
    for (const pooling of ["cls", "checkpoint"] as const) {
      expect((await reranker.encodeDocuments(["a", "bb"], { pooling })).dimension).toBe(2);
    }
    await expect(reranker.encodeQuery("q", { pooling: "max" as "mean" })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    expect(await reranker.explain("q", "d")).toEqual({ score: 1, queryTruncated: false, truncated: false, matches: [] });
    await expect(reranker.explain("q", undefined as unknown as string)).rejects.toMatchObject({ message: "document is undefined; expected a string" });
  });
});

describe("a text that the model cuts", () => {
  test("is told of by a ranking: the query in its warnings, each document in its result", async () => {
    const heard: string[] = [];
    const reranker = await load({ onWarning: ({ code }) => heard.push(code) });
    const documents = ["a", LONG];
    const cut = await reranker.rerank(LONG, documents, { explain: true });
    expect(cut).toMatchObject({ queryTruncated: true, warnings: [{ code: "QUERY_TRUNCATED", message: expect.stringContaining("8 tokens") }] });
    expect(cut.results).toMatchObject([
      { truncated: true, explanation: { queryTruncated: true, truncated: true } },
      { truncated: false, explanation: { queryTruncated: true, truncated: false } },
    ]);
    expect(await reranker.rerank("q", documents)).toMatchObject({ queryTruncated: false, warnings: [] });
    expect((await reranker.rerank(LONG, documents)).warnings).toHaveLength(1);
    expect([heard, reranker.warnings.map(({ code }) => code)]).toEqual([["WEBGPU_FALLBACK", "NO_LATE_INTERACTION_HEAD"], ["WEBGPU_FALLBACK", "NO_LATE_INTERACTION_HEAD"]]);
  });

  test("is told of by encode and explain", async () => {
    const reranker = await load();
    expect((await reranker.encodeQuery(LONG)).truncated).toEqual(Uint8Array.of(1));
    expect((await reranker.encodeDocuments(["a", LONG])).truncated).toEqual(Uint8Array.of(0, 1));
    expect(await reranker.explain(LONG, "d")).toMatchObject({ queryTruncated: true, truncated: false });
    expect(await reranker.explain("q", LONG)).toMatchObject({ queryTruncated: false, truncated: true });
  });
});

describe("a call that cannot fit", () => {
  const large = () => {
    engine.info = { ...INFO, dimension: 1024, documentLength: 8192, queryLength: 8192 };
    workers = stubWorkers(fakeModule(async () => engine));
    return load({ limits: { documents: 100_000, totalLength: 2 ** 30 } });
  };

  test("is refused before anything is sent, with the number that would fit", async () => {
    const reranker = await large();
    const sent = LoopWorker.log.length;
    const documents = Array<string>(1000).fill("x".repeat(1000));
    await expect(reranker.encodeDocuments(documents)).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: expect.stringContaining("507 documents of this length fit") });
    const query = "q".repeat(2000);
    const short = Array<string>(1000).fill("x");
    await expect(reranker.rerank(query, short, { explain: true })).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", hint: expect.stringContaining("topK of at most 492") });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(LoopWorker.log).toHaveLength(sent);
  });

  test("fits with that number, with mean pooling, with topK, or without explanations", async () => {
    const reranker = await large();
    const texts = Array<string>(1000).fill("x".repeat(1000));
    expect((await reranker.encodeDocuments(texts.slice(0, 507))).lengths).toHaveLength(507);
    expect((await reranker.encodeDocuments(texts, { pooling: "mean" })).lengths).toHaveLength(1000);
    const query = "q".repeat(2000);
    expect((await reranker.rerank(query, texts, { explain: true, topK: 492 })).results).toHaveLength(492);
    expect((await reranker.rerank(query, texts)).results).toHaveLength(1000);
  });
});

describe("the end", () => {
  test("by dispose rejects open calls and later ones, twice as well as once", async () => {
    const reranker = await load();
    const call = reranker.rerank("q", ["a"]);
    reranker.dispose();
    reranker[Symbol.dispose]();
    await expect(call).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(reranker.rerank("q", [])).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(reranker.encodeQuery("q")).rejects.toMatchObject({ code: "DISPOSED" });
  });

});

test("texts leave no trace in errors, answers, the console or addresses", async () => {
  const written = ["log", "warn", "error", "info", "debug"].map((name) => vi.spyOn(console, name as "log").mockImplementation(() => {}));
  const reranker = await load({ limits: { textLength: 100 } });
  await reranker.rerank(CANARY, [`${CANARY} 1`]);
  engine.beforeText = (text) => {
    throw new WebAssembly.RuntimeError(`byte index 1 is out of bounds of \`${text}\``);
  };
  const errors = await Promise.allSettled([
    reranker.rerank(CANARY, [CANARY]),
    reranker.rerank(CANARY, [CANARY.repeat(50)]),
    reranker.rerank(CANARY, [{ body: CANARY }]),
    reranker.rerank(CANARY.repeat(50), []),
  ]);
  for (const result of errors) expect(JSON.stringify(Object.values((result as PromiseRejectedResult).reason)) + String((result as PromiseRejectedResult).reason)).not.toContain(CANARY);
  expect(JSON.stringify(LoopWorker.log)).not.toContain(CANARY);
  expect(JSON.stringify(FakeServer.last!.requests)).not.toContain(CANARY);
  for (const spy of written) expect(spy).not.toHaveBeenCalled();
});
