import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type CheckpointFiles, EmbeddingList, type LoadOptions, type RerankOptions, Reranker, RerankerError, Scorer } from "../../src/index.js";
import { FakeEngine, fakeModule } from "../support/engine.js";
import { safetensors } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { LoopWorker, stubWorkers } from "../support/workers.js";

let workers: { urls: string[] };
let sent: ReturnType<typeof vi.spyOn>;

beforeEach(() => {
  stubSite();
  workers = stubWorkers(fakeModule(async () => new FakeEngine()));
  sent = vi.spyOn(LoopWorker.prototype, "postMessage");
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = (options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", ...options });

const REFUSED = ["INVALID_INPUT", "INPUT_TOO_LARGE", "MODEL_MISMATCH"];

/** What a promise came to is an answer or an error of ours, and what was refused was never sent. */
async function assertTyped(call: () => Promise<unknown>): Promise<void> {
  const before = sent.mock.calls.length;
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(RerankerError);
    const { code, message } = error as RerankerError;
    expect(REFUSED, message).toContain(code);
    expect(sent.mock.calls.length).toBe(before);
  }
}

function throwing(): never {
  throw new Error("from a getter");
}

/** As browsers have it: nothing of the platform's own objects works on a proxy. */
function proxyOf<T extends object>(target: T): T {
  const illegal = () => {
    throw new TypeError("Illegal invocation");
  };
  return new Proxy(target, { get: (_, key) => (typeof Reflect.get(target, key) === "function" ? illegal : illegal()) });
}

function hostile(): unknown[] {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const trap = new Proxy([], { get: throwing, has: throwing, ownKeys: throwing, getPrototypeOf: throwing });
  const long = new Proxy([], { get: (_, key) => (key === "length" ? 1e9 : undefined) });
  const odd = new Proxy([], { get: (_, key) => (key === "length" ? "3" : "text") });
  const endless = Object.assign(["a"], { *[Symbol.iterator]() { for (;;) yield "a"; } });
  const options = Object.fromEntries(["text", "topK", "signal", "explain", "profile", "onProgress", "pooling", "tokenPooling", "factor", "documents", "hub", "use", "score", "embeddings", "longDocuments", "overlap", "maxWindows"].map((name) => [name, {}]));
  const getters = Object.defineProperties({}, Object.fromEntries(Object.keys(options).map((name) => [name, { get: throwing, enumerable: true }])));
  return [proxy, cycle, trap, long, odd, endless, getters, JSON.parse('{"__proto__": {"text": "a"}, "constructor": 1}'), Symbol("s"), 1n, () => "a", proxyOf(new AbortController().signal), new Map(), new Date(Number.NaN)];
}

/** One of the hostile values, which fast-check itself must not look into. */
class Hidden {
  constructor(readonly place: number) {}
}

/** What a generated value stands for. */
function real(value: unknown): unknown {
  if (value instanceof Hidden) return hostile()[value.place];
  if (Array.isArray(value)) return value.map(real);
  const isRecord = typeof value === "object" && value !== null && Object.values(value)[0] instanceof Hidden;
  return isRecord ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, real(field)])) : value;
}

/** Anything at all, and now and then what is right. */
const anything = fc.oneof(
  fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true, withTypedArray: true, withDate: true, withMap: true }),
  fc.nat(hostile().length - 1).map((place) => new Hidden(place)),
);
const optionsOf = (names: string[]) => fc.oneof(anything, ...names.map((name) => fc.record({ [name]: anything })));
const stages = fc.array(fc.oneof({ weight: 1, arbitrary: anything }, { weight: 2, arbitrary: fc.record({ use: fc.constantFrom("given", "bm25", "dense", "late", "crossEncoder") }) }, { weight: 2, arbitrary: fc.record({ use: fc.constantFrom("given", "bm25", "dense", "late"), keep: anything, score: anything, model: anything, stopWords: anything }, { requiredKeys: ["use"] }) }));
const query = fc.oneof({ weight: 3, arbitrary: fc.constant("q") }, { weight: 1, arbitrary: anything });
const documents = fc.oneof({ weight: 2, arbitrary: fc.constant(["a", { text: "b" }]) }, { weight: 1, arbitrary: fc.array(anything) }, { weight: 1, arbitrary: anything });

describe("arguments of any kind end in an answer, or in an error of ours before anything is sent", () => {
  test("to rerank", async () => {
    const reranker = await load();
    const options = fc.oneof(
      optionsOf(["topK", "signal", "explain", "profile", "mode", "onPartial", "budgetMs", "text", "onProgress", "longDocuments", "overlap", "maxWindows", "tokenPooling", "stages", "fuse", "minScore", "diversify", "embeddings", "codecs", "transfer", "id", "vectorCache"]),
      stages.map((list) => ({ stages: list })),
    );
    await fc.assert(fc.asyncProperty(query, documents, options, (q, d, o) => assertTyped(() => reranker.rerank(real(q) as string, real(d) as string[], real(o) as RerankOptions<string>))));
  });

  test("to rerank, as embeddings of a document", async () => {
    const reranker = await load();
    const scorer = await Scorer.load({ wasmUrl: "/model/tabrank.wasm" });
    const fields = ["codec", "dimension", "embeddingId", "codecId", "embeddings", "scales", "codes", "residuals", "embeddings_b64", "shape", "grid", "page", "patches", "id"];
    const some = fc.oneof(anything, fc.constantFrom("f16", "int8", "residual", 2, "AAAAAAAAAAA=", "AAA", [[1, 2]], [[1, 2], [3]], [1], [1, 1], { offset: 1 }, { mask: [true], tile: 1 }, Float32Array.of(1, 2), Int8Array.of(1, 2), Uint8Array.of(7), new Float32Array()));
    const embeddings = fc.oneof(anything, fc.record(Object.fromEntries(fields.map((name) => [name, some])), { requiredKeys: [] }));
    await fc.assert(
      fc.asyncProperty(embeddings, async (given) => {
        await assertTyped(() => reranker.rerank("q", ["a"], { embeddings: () => real(given) as number[][] }));
        await assertTyped(() => reranker.rerank("q", [real(given) as { id: string }, { text: "b", embeddings: real(given) }]));
        await assertTyped(async () => EmbeddingList.write([real(given) as number[][]]));
        await assertTyped(() => scorer.explain(Float32Array.of(1, 2), real(given) as number[][]));
        await assertTyped(async () => EmbeddingList.from(real(given) as ArrayBuffer));
      }),
      { numRuns: 400 },
    );
  });

  test("to encodeQuery, encodeDocuments and explain", async () => {
    const reranker = await load();
    const options = optionsOf(["signal", "pooling", "tokenPooling", "text", "onProgress", "longDocuments", "overlap", "maxWindows"]);
    await fc.assert(
      fc.asyncProperty(query, documents, options, async (q, d, o) => {
        await assertTyped(() => reranker.encodeQuery(real(q) as string, real(o) as object));
        await assertTyped(() => reranker.encodeDocuments(real(d) as string[], real(o) as object));
        await assertTyped(() => reranker.explain(real(q) as string, real(d) as string, real(o) as object));
      }),
    );
  });

  test("to load, isCached, deleteCached and clearCached", async () => {
    const names = ["device", "dtype", "simd", "onProgress", "onWarning", "signal", "cache", "revision", "hub", "headers", "workerUrl", "wasmUrl", "limits", "specialTokens", "overrides"];
    const source = fc.oneof(anything, fc.constantFrom("/model", "owner/name"), fc.record({ "config.json": anything }));
    const typed = async (call: () => Promise<unknown>) => {
      const error: unknown = await call().then(() => undefined, (reason: unknown) => reason);
      if (error !== undefined) expect(error).toBeInstanceOf(RerankerError);
      return error as RerankerError | undefined;
    };
    await fc.assert(
      fc.asyncProperty(source, optionsOf(names), async (s, o) => {
        const started = workers.urls.length;
        const error = await typed(() => Reranker.load(real(s) as string, real(o) as LoadOptions));
        if (REFUSED.includes(error?.code ?? "")) expect(workers.urls.length).toBe(started);
        await typed(() => Reranker.isCached(real(s) as string, real(o) as object));
        await typed(() => Reranker.deleteCached(real(s) as string, real(o) as object));
        await typed(() => Reranker.clearCached(real(s) as string, real(o) as object));
      }),
    );
  });
});

describe("arguments at the edge of their type", () => {
  test.each<[string, unknown, string]>([
    ["options that are null", null, "options is null; expected an object"],
    ["options that are text", "topK", "options is a string; expected an object"],
    ["topK in words", { topK: "3" }, "topK is a string; expected a positive integer"],
    ["topK that is null", { topK: null }, "topK is null; expected a positive integer"],
    ["topK of none", { topK: 0 }, "topK is 0; expected a positive integer"],
    ["half a topK", { topK: 1.5 }, "topK is 1.5; expected a positive integer"],
    ["topK without end", { topK: Infinity }, "topK is Infinity; expected a positive integer"],
    ["a signal's controller", { signal: new AbortController() }, "signal is an object; expected an AbortSignal, and no proxy of one"],
    ["a proxy of a signal", { signal: proxyOf(new AbortController().signal) }, "signal is an object; expected an AbortSignal, and no proxy of one"],
    ["explain in words", { explain: "yes" }, "explain is a string; expected a boolean"],
    ["a listener that is no function", { onProgress: {} }, "onProgress is an object; expected a function"],
    ["a text option that is a name", { text: "body" }, "text is a string; expected a function"],
    ["a getter that throws", { get topK(): number { return throwing(); } }, "topK: reading it threw an error"],
  ])("of rerank: %s", async (_, options, message) => {
    const reranker = await load();
    await expect(reranker.rerank("q", ["a"], options as RerankOptions<string>)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
  });

  test.each([2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])("topK %i gives all there are", async (topK) => {
    const reranker = await load();
    expect((await reranker.rerank("q", ["a", "bb"], { topK })).results).toHaveLength(2);
  });

  test("an option is read once", async () => {
    const reranker = await load();
    const topK = vi.fn().mockReturnValueOnce(1).mockReturnValue("much");
    expect((await reranker.rerank("q", ["a", "bb"], { get topK() { return topK() as number; } })).results).toHaveLength(1);
    expect(topK).toHaveBeenCalledTimes(1);
  });

  test.each<[string, LoadOptions | Record<string, unknown> | null, string]>([
    ["options that are null", null, "options is null; expected an object"],
    ["a revision that is a number", { revision: 7 }, "revision is a number; expected a string"],
    ["a revision that is an object", { revision: {} }, "revision is an object; expected a string"],
    ["a revision that leads elsewhere", { hub: "https://hub.example", revision: ".." }, "revision is no branch, tag or commit"],
    ["a revision with half a character", { hub: "https://hub.example", revision: "a\ud800" }, "revision is no branch, tag or commit"],
    ["a hub that is an object", { hub: {} }, "hub is an object; expected an address"],
    ["a hub that is nothing", { hub: null }, "hub is null; expected an address"],
    ["a listener that is no function", { onWarning: "log" }, "onWarning is a string; expected a function"],
    ["limits that are a number", { limits: 7 }, "limits is a number; expected an object"],
    ["a limit without end", { limits: { documents: Infinity } }, "limits.documents is Infinity; expected a positive integer"],
    ["a limit that is no number", { limits: { textLength: Number.NaN } }, "limits.textLength is NaN; expected a positive integer"],
    ["a limit that no integer is", { limits: { totalLength: 2 ** 53 } }, "limits.totalLength is 9007199254740992; expected a positive integer"],
    ["a limit that is null", { limits: { queue: null } }, "limits.queue is null; expected a positive integer"],
    ["a limit that there is not", { limits: { docs: 1 } }, "limits.docs is no limit; there are documents, textLength, totalLength, embeddingBytes, pagePixels, queue, silence"],
    ["a hub without an address", { hub: "" }, "hub is an empty string; expected an address"],
    ["a worker without an address", { workerUrl: "" }, "workerUrl is an empty string; expected an address"],
    ["a header's name", { headers: { "a b": "c" } }, "headers are no valid HTTP headers"],
    ["a header's value", { headers: { authorization: "Bearer a\nb" } }, "headers are no valid HTTP headers"],
    ["a header that is no text", { headers: { a: Symbol("b") } }, "headers are no valid HTTP headers"],
    ["an address that is an object", { workerUrl: { href: "/worker.js" } }, "workerUrl is an object; expected an address"],
  ])("of load: %s", async (_, options, message) => {
    const owner = options && "hub" in options ? "owner/name" : "/model";
    const error: unknown = await Reranker.load(owner, options as LoadOptions).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "INVALID_INPUT", message });
    // The platform's own words may quote a token.
    expect((error as Error).cause).toBeUndefined();
    expect(workers.urls).toEqual([]);
  });

  test.each<[string, HeadersInit]>([
    ["of the platform's own kind", new Headers({ authorization: "Bearer t" })],
    ["in pairs", [["authorization", "Bearer t"]]],
    ["in a record, of which some are not there", { authorization: "Bearer t", "x-tenant": undefined } as unknown as Record<string, string>],
  ])("of load: headers %s", async (_, headers) => {
    await load({ headers });
    const [[message]] = sent.mock.calls as [[{ request: { checkpoint: { headers: unknown } } }]];
    expect(message.request.checkpoint.headers).toEqual({ authorization: "Bearer t" });
  });

  test.each([
    ["", "source is an empty string; expected an address"],
    ["/model/config.json", "source is the address of a file; expected that of the folder it is in"],
    ["https://host/model/tabrank.json?v=1", "source is the address of a file; expected that of the folder it is in"],
    ["model/model.safetensors", "source is the address of a file; expected that of the folder it is in"],
  ])("of load, isCached and deleteCached: the source %j", async (source, message) => {
    await expect(Reranker.load(source)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    await expect(Reranker.isCached(source)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    await expect(Reranker.deleteCached(source)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    expect(workers.urls).toEqual([]);
  });

  test("calls may be taken out of the reranker", async () => {
    const { rerank, encodeQuery, encodeDocuments, explain, dispose } = await load();
    expect((await rerank("q", ["a", "bb"])).results).toHaveLength(2);
    expect((await encodeQuery("q")).lengths).toHaveLength(1);
    expect((await encodeDocuments(["a"])).lengths).toHaveLength(1);
    expect((await explain("q", "a")).matches).toEqual([]);
    dispose();
    await expect(rerank("q", ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
  });

  test("the largest limits work", async () => {
    const most = Number.MAX_SAFE_INTEGER;
    const reranker = await load({ limits: { documents: most, textLength: most, totalLength: most, queue: most } });
    expect((await reranker.rerank("q", ["a".repeat(5 * 2 ** 20)])).results[0]!.truncated).toBe(true);
  });

  test("1,000 documents are checked in 5 milliseconds, also the last bad one", async () => {
    const reranker = await load();
    const list: unknown[] = Array.from({ length: 999 }, (_, index) => ({ text: `document ${index}`.repeat(20) }));
    list.push({ body: "a" });
    const times: number[] = [];
    for (let round = 0; round < 10; round++) {
      const begin = performance.now();
      await expect(reranker.rerank("q", list as string[])).rejects.toMatchObject({ message: "documents[999].text is undefined; expected a string" });
      times.push(performance.now() - begin);
    }
    expect(Math.min(...times)).toBeLessThan(5);
  });
});

describe("files that the page gives", () => {
  const TEXTS = { "config.json": new TextEncoder().encode("{}"), "tokenizer.json": new TextEncoder().encode("[]") };
  const WEIGHTS = new Uint8Array(safetensors(50));

  const given = async (file: unknown) => {
    await Reranker.load({ ...TEXTS, "model.safetensors": file } as CheckpointFiles, { wasmUrl: "/model/tabrank.wasm" });
    const [[message]] = sent.mock.calls as [[{ request: { checkpoint: { files: Record<string, Blob> } } }]];
    return new Uint8Array(await message.request.checkpoint.files["model.safetensors"]!.arrayBuffer());
  };

  const shared = () => {
    const buffer = new SharedArrayBuffer(WEIGHTS.length);
    new Uint8Array(buffer).set(WEIGHTS);
    return buffer;
  };
  const resizable = () => {
    const buffer = new (ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer)(WEIGHTS.length, { maxByteLength: 4096 });
    new Uint8Array(buffer).set(WEIGHTS);
    return buffer;
  };
  const within = () => {
    const buffer = new Uint8Array(WEIGHTS.length + 8);
    buffer.set(WEIGHTS, 4);
    return buffer.subarray(4, -4);
  };

  test.each<[string, () => unknown]>([
    ["a blob", () => new Blob([WEIGHTS])],
    ["a buffer", () => WEIGHTS.slice().buffer],
    ["a part of a buffer", within],
    ["shared memory", shared],
    ["a view of shared memory", () => new Uint8Array(shared())],
    ["a buffer that can be resized", resizable],
    ["a view of one", () => new Uint8Array(resizable())],
  ])("may be %s", async (_, make) => {
    expect(await given(make())).toEqual(WEIGHTS);
  });

  test.each<[string, () => ArrayBuffer | SharedArrayBuffer]>([["memory", () => WEIGHTS.slice().buffer], ["shared memory", shared], ["a buffer that can be resized", resizable]])(
    "are copied at once, so that %s may change",
    async (_, make) => {
      const buffer = make();
      const loaded = given(buffer);
      new Uint8Array(buffer).fill(0);
      expect(await loaded).toEqual(WEIGHTS);
    },
  );

  const detached = () => {
    const view = WEIGHTS.slice();
    structuredClone(view.buffer, { transfer: [view.buffer] });
    return view;
  };
  const cutOff = () => {
    const buffer = resizable();
    const view = new Uint8Array(buffer, 8, 8);
    (buffer as unknown as { resize(length: number): void }).resize(4);
    return view;
  };
  const gone = "cannot be read: it was transferred, or is a proxy of a file";

  test.each<[string, () => unknown, string]>([
    ["a buffer that was transferred", () => detached().buffer, gone],
    ["a view of one", detached, gone],
    ["a view that a buffer has shrunk away from", cutOff, gone],
    ["a proxy of a blob", () => proxyOf(new Blob([WEIGHTS])), gone],
    ["a proxy of a buffer", () => new Proxy(WEIGHTS.slice().buffer, {}), gone],
    ["a string", () => "weights", "is a string; expected a Blob, an ArrayBuffer or a Uint8Array"],
    ["null", () => null, "is null; expected a Blob, an ArrayBuffer or a Uint8Array"],
  ])("may not be %s", async (_, make, message) => {
    await expect(given(make())).rejects.toMatchObject({ code: "INVALID_INPUT", message: `source["model.safetensors"] ${message}` });
    expect(workers.urls).toEqual([]);
  });

  test.each<[string, unknown]>([["no files", {}], ["a blob", new Blob()], ["a map", new Map([["config.json", new Blob()]])]])("are a record, not %s", async (_, source) => {
    await expect(Reranker.load(source as CheckpointFiles)).rejects.toMatchObject({ code: "INVALID_INPUT", message: "source holds no files; expected an address or a record of files" });
  });
});
