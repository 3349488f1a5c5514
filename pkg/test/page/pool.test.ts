import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EmbeddingList, type LoadOptions, type PartialResults, Reranker, type RerankOptions, type RerankOutput, ResidualCodec } from "../../src/index.js";
import { Pool } from "../../src/page/pool.js";
import type { WorkerClient } from "../../src/page/worker-client.js";
import type { LoadAnswer, LoadRequest, RerankRequest } from "../../src/protocol.js";
import { engineError, FakeEngine, type FakeModule, fakeModule, INFO } from "../support/engine.js";
import { FakeServer } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { LoopWorker, stubWorkers } from "../support/workers.js";

/** Long enough for seven workers: some texts come again, and many are as long as others. */
const DOCUMENTS = Array.from({ length: 900 }, (_, place) => `${"x".repeat(30 + (place % 50))}${(place % 600).toString(36)}`);

let engines: FakeEngine[];
let modules: FakeModule[];

beforeEach(() => {
  stubSite();
  engines = [];
  modules = Array.from({ length: 20 }, () => {
    const engine = new FakeEngine();
    return fakeModule(async () => {
      engines.push(engine);
      return engine;
    });
  });
  stubWorkers(...modules);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Enough for two workers, but done before another one would be there. */
const FEW = DOCUMENTS.slice(0, 150);

const load = (workers: number, options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", workers, ...options });

/** With all its workers there. */
async function pool(workers: number, options: LoadOptions = {}): Promise<Reranker> {
  const reranker = await load(workers, options);
  await reranker.rerank("it", DOCUMENTS);
  await vi.waitFor(() => expect(engines).toHaveLength(workers));
  await new Promise((resolve) => setTimeout(resolve, 20));
  return reranker;
}

const withoutTimes = ({ timings: _, ...output }: RerankOutput<string>) => output;

/** How many texts each engine was asked for since. */
const asked = () => engines.map(({ started }) => started.length);

describe("the answer is one worker's", () => {
  const cases: [string, RerankOptions<string>][] = [
    ["all", {}],
    ["the best, explained", { topK: 10, explain: true }],
    ["above a score", { minScore: 60 }],
    ["one stage that keeps some", { stages: [{ use: "dense", keep: 100 }], topK: 500 }],
    ["several stages", { stages: [{ use: "bm25", keep: 600 }, { use: "late", keep: 50 }] }],
    ["several stages of a model", { stages: [{ use: "dense", keep: 700 }, { use: "late", keep: 300 }, { use: "bm25" }], topK: 100, explain: true }],
    ["what is fused", { stages: [{ use: "given", score: (text) => text.length % 7 }, { use: "late" }], fuse: { by: "reciprocalRanks" }, topK: 30, explain: true, minScore: 40 }],
    ["what is told apart", { diversify: 0.5 }],
    [
      "several stages, with embeddings that some bring along",
      {
        stages: [{ use: "bm25", keep: 700 }, { use: "late", keep: 600 }],
        explain: true,
        topK: 30,
        embeddings: (_, index) => (index % 3 ? undefined : { codec: "int8", dimension: 2, embeddings: new Int8Array(2 * (1 + (index % 80))), scales: new Float32Array(1 + (index % 80)) }),
      },
    ],
    ["with embeddings that some bring along", { embeddings: (_, index) => (index % 3 ? undefined : { codec: "f32", dimension: 2, embeddings: new Float32Array(2 * (1 + (index % 80))) }) }],
  ];
  test.each(cases)("%s", async (_, options) => {
    const expected = withoutTimes(await (await load(1)).rerank("it", DOCUMENTS, options));
    engines = [];
    const reranker = await pool(3);
    expect(withoutTimes(await reranker.rerank("it", DOCUMENTS, options))).toEqual(expected);
  });

  test("of documents that are encoded", async () => {
    const expected = await (await load(1)).encodeDocuments(DOCUMENTS);
    engines = [];
    const reranker = await pool(3);
    expect(await reranker.encodeDocuments(DOCUMENTS)).toEqual(expected);
  });

  test("whatever else is asked of them, is aborted, or kills one", async () => {
    const ways: RerankOptions<string>[] = cases.map(([, options]) => options).slice(0, 7);
    const one = await load(1);
    const expected: unknown[] = [];
    for (const options of ways) expected.push(withoutTimes(await one.rerank("it", DOCUMENTS, options)));
    one.dispose();
    engines = [];
    const reranker = await load(3);
    const random = lottery(13);
    for (let round = 0; round < 8; round++) {
      const calls = Array.from({ length: 1 + random(3) }, async () => {
        const [way, abort, isAborted] = [random(ways.length), new AbortController(), random(2) === 0];
        if (isAborted) setTimeout(() => abort.abort("enough"), random(40));
        const options = { ...ways[way], signal: abort.signal, mode: random(3) === 0 ? "latest" : "queue", onPartial: () => expect(abort.signal.aborted).toBe(false) } as const;
        const outcome = await reranker.rerank("it", DOCUMENTS, options).then(withoutTimes, (error: unknown) => error);
        const isEnded = outcome === "enough" || (outcome instanceof DOMException && options.mode === "latest");
        if (!isEnded) expect(outcome).toEqual(expected[way]);
      });
      // One at a time: a part outlives one death.
      for (const engine of engines) engine.beforeText = () => {};
      if (random(3) === 0) engines[random(engines.length)]!.beforeText = () => Promise.reject(new WebAssembly.RuntimeError("a trap"));
      await Promise.all(calls);
    }
  }, 30_000);
});

/** Whole numbers below what is asked for, the same each time. */
function lottery(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}

describe("who works", () => {
  test("the others are started once the first has answered, and read what it has loaded", async () => {
    const reranker = await load(3);
    expect([engines.length, reranker.choice.workers]).toEqual([1, 1]);
    const fetched = FakeServer.last!.requests.length;
    await reranker.rerank("it", FEW);
    expect(engines).toHaveLength(1);
    await vi.waitFor(() => expect(engines).toHaveLength(2));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = asked();
    await reranker.rerank("it", FEW);
    expect(asked().every((count, which) => count > before[which]!)).toBe(true);
    await reranker.rerank("it", DOCUMENTS);
    expect(asked().every((count) => count > 0)).toBe(true);
    expect(reranker.choice.workers).toBe(3);
    expect(FakeServer.last!.requests).toHaveLength(fetched);
  });

  describe("of a first call that is long the others take parts once it has first results", () => {
    const SLOW = 5;

    /** What the first call is answered, how many workers were there before each of the first one's texts, and what was told of progress. */
    async function firstCall(answer: (reranker: Reranker, onProgress: RerankOptions<string>["onProgress"]) => Promise<unknown>, beforeText: (place: number) => void = () => {}) {
      const expected = await answer(await load(1), () => {});
      engines = [];
      const reranker = await load(3);
      const [there, told]: [number[], number[]] = [[], []];
      engines[0]!.beforeText = async () => {
        beforeText(there.push(engines.length));
        await new Promise((resolve) => setTimeout(resolve, SLOW));
      };
      const answered = await answer(reranker, ({ done }) => told.push(done));
      return { reranker, expected, answered, there, told };
    }

    const ranked = async (reranker: Reranker, onProgress: RerankOptions<string>["onProgress"]) => withoutTimes(await reranker.rerank("it", DOCUMENTS, { topK: 30, explain: true, ...(onProgress && { onProgress }) }));

    test.each([
      ["a ranking", ranked],
      ["embeddings", (reranker: Reranker) => reranker.encodeDocuments(DOCUMENTS)],
    ])("%s", async (_, answer) => {
      const { expected, answered, there } = await firstCall(answer);
      expect(answered).toEqual(expected);
      expect(there.slice(0, 2)).toEqual([1, 1]);
      expect(there.length).toBeLessThan(DOCUMENTS.length / 2);
      expect(engines.map(({ windows }) => windows.length > 0)).toEqual([true, true, true]);
    });

    test("and when it dies they do its part too; progress never falls", async () => {
      const { expected, answered, told } = await firstCall(ranked, (place) => {
        if (place === 60) throw new WebAssembly.RuntimeError("a trap");
      });
      expect(answered).toEqual(expected);
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      expect(told.at(-1)).toBe(DOCUMENTS.length);
    });

    test("the top of the list is done first until then", async () => {
      const reranker = await load(3);
      engines[0]!.beforeText = () => new Promise((resolve) => setTimeout(resolve, SLOW));
      const { results, scored } = await new Promise<PartialResults<string>>((resolve) => {
        reranker.rerank("it", DOCUMENTS, { onPartial: (partial) => partial.scored >= 2 && resolve(partial) }).catch(() => {});
      });
      reranker.dispose();
      const done = results.filter(({ score }) => score !== null).map(({ index }) => index);
      expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: scored }, (_, place) => place));
    });

    test("none is started where the call was aborted by then", async () => {
      const reranker = await load(3);
      const controller = new AbortController();
      engines[0]!.beforeText = () => new Promise((resolve) => setTimeout(resolve, SLOW));
      const call = reranker.rerank("it", DOCUMENTS, { signal: controller.signal, onProgress: () => controller.abort(new Error("typed on")) });
      await expect(call).rejects.toThrow("typed on");
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(engines).toHaveLength(1);
    });
  });

  test("a short list is for one", async () => {
    const reranker = await load(3);
    for (let call = 0; call < 3; call++) await reranker.rerank("it", DOCUMENTS.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked()).toEqual([3]);
  });

  test("texts that are the same are read by one worker", async () => {
    const reranker = await pool(3);
    const read: string[] = [];
    for (const engine of engines) engine.rerank = new Proxy(engine.rerank, { apply: (rerank, self, [query, texts, ...rest]) => (read.push(...new Set<string>(texts)), Reflect.apply(rerank, self, [query, texts, ...rest])) });
    await reranker.rerank("it", DOCUMENTS);
    expect(read.sort()).toEqual([...new Set(DOCUMENTS)].sort());
  });

  test("a model reads what the stages before it leave", async () => {
    const reranker = await pool(3);
    let read = 0;
    for (const engine of engines) {
      const rerank = engine.rerank.bind(engine);
      engine.rerank = (query, texts, options, ...rest) => {
        if (options.stages?.some(({ use }) => use === "late")) read += texts.length;
        return rerank(query, texts, options, ...rest);
      };
    }
    await reranker.rerank("it", DOCUMENTS, { stages: [{ use: "bm25", keep: 700 }, { use: "late" }] });
    expect(read).toBe(700);
  });

  test("on a GPU the first is alone", async () => {
    modules[0] = fakeModule(async () => {
      engines.push(new FakeEngine("webgpu"));
      return engines[0]!;
    });
    stubWorkers(...modules);
    const reranker = await load(3);
    for (let call = 0; call < 2; call++) await reranker.rerank("it", DOCUMENTS);
    expect(engines).toHaveLength(1);
  });
});

describe("a worker dies", () => {
  test.each([0, 1, 2])("in a part: another does it (worker %i)", async (which) => {
    const expected = withoutTimes(await (await load(1)).rerank("it", DOCUMENTS));
    engines = [];
    const reranker = await pool(3);
    engines[which]!.beforeText = () => {
      throw new WebAssembly.RuntimeError("a trap");
    };
    expect(withoutTimes(await reranker.rerank("it", DOCUMENTS))).toEqual(expected);
    expect(withoutTimes(await reranker.rerank("it", DOCUMENTS))).toEqual(expected);
  });

  test("a document that kills two of them fails the call, and the next one is answered", async () => {
    const reranker = await pool(3);
    for (const engine of engines) {
      engine.beforeText = (text) => {
        if (text === DOCUMENTS[450]) throw new WebAssembly.RuntimeError("a trap");
      };
    }
    await expect(reranker.rerank("it", DOCUMENTS)).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(reranker.rerank("it", DOCUMENTS.slice(0, 400))).resolves.toMatchObject({ results: { length: 400 } });
  });

  test("at its load: the others go on without it", async () => {
    modules[1] = fakeModule(async () => Promise.reject(engineError("OUT_OF_MEMORY", "no memory")));
    stubWorkers(...modules);
    const reranker = await load(2);
    for (let call = 0; call < 3; call++) expect((await reranker.rerank("it", DOCUMENTS)).results).toHaveLength(DOCUMENTS.length);
    expect(engines).toHaveLength(1);
  });
});

test("workers that were sent to rest as they came are started again by the calls that follow", async () => {
  const started: WorkerClient[] = [];
  const another = () => (started.push(restingClient(new Promise(() => {}))), started.at(-1)!);
  const pool = new Pool(restingClient(Promise.resolve()), { model: INFO, workers: 3, queue: 4, another });
  const request = { query: "it", texts: DOCUMENTS, stages: [{ use: "late" }], topK: 1 } as unknown as RerankRequest;
  for (const expected of [2, 4]) {
    await pool.call("rerank", request, {});
    expect(started).toHaveLength(expected);
    pool.rest();
    await new Promise((resolve) => setTimeout(resolve));
  }
});

const NOTHING = { indices: [], scored: 0, unscored: 0, warnings: [], timings: { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0, stages: [0] }, cost: { tokens: 0, pairs: 0 } };

/** A worker that answers all and knows nothing. `loaded`: its load. */
function restingClient(loaded: Promise<unknown>): WorkerClient {
  const end = new AbortController();
  const client: Partial<WorkerClient> = {
    device: "cpu",
    isIdle: true,
    copy: {} as LoadRequest,
    ended: end.signal,
    requireOpen: () => {},
    rest: () => {},
    stop: (reason) => end.abort(reason),
    load: () => Promise.race([loaded as Promise<LoadAnswer>, new Promise<never>((_, reject) => end.signal.addEventListener("abort", () => reject(end.signal.reason)))]),
    call: async () => NOTHING as never,
  };
  return client as WorkerClient;
}

describe("calls", () => {
  test("a refusal is told once, and names the document by its place in the list", async () => {
    const reranker = await pool(3);
    for (const engine of engines) {
      const rerank = engine.rerank.bind(engine);
      engine.rerank = async (query, texts, ...rest) => {
        const place = texts.indexOf(DOCUMENTS[450]!);
        if (place < 0) return rerank(query, texts, ...rest);
        throw engineError("NON_FINITE", `documents[${place}] has an embedding that is not finite`);
      };
    }
    const call = reranker.rerank("it", DOCUMENTS, { id: (_, index) => `d${index}` });
    await expect(call).rejects.toMatchObject({ code: "NON_FINITE", message: 'documents[450] (id "d450") has an embedding that is not finite' });
  });

  test("an abort ends all parts at once, and the next call is answered", async () => {
    const reranker = await pool(3);
    const controller = new AbortController();
    const call = reranker.rerank("it", DOCUMENTS, { signal: controller.signal, onProgress: () => controller.abort(new Error("typed on")) });
    await expect(call).rejects.toThrow("typed on");
    await expect(reranker.rerank("it", DOCUMENTS)).resolves.toMatchObject({ results: { length: DOCUMENTS.length } });
  });

  test("an abort by who hears of the stages before ends a call that is about to be cut", async () => {
    const reranker = await pool(3);
    const controller = new AbortController();
    const heard = vi.fn(() => controller.abort(new Error("typed on")));
    const stages = [{ use: "bm25", keep: 800 }, { use: "late" }] as const;
    await expect(reranker.rerank("it", DOCUMENTS, { stages, signal: controller.signal, onPartial: heard })).rejects.toThrow("typed on");
    expect(heard).toHaveBeenCalledOnce();
  });

  test("progress counts all documents, and never falls", async () => {
    const reranker = await pool(3);
    engines[1]!.beforeText = (text) => {
      if (text.length > 70) throw new WebAssembly.RuntimeError("a trap");
    };
    const seen: number[] = [];
    await reranker.rerank("it", DOCUMENTS, { onProgress: ({ done, total }) => (expect(total).toBe(DOCUMENTS.length), seen.push(done)) });
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(DOCUMENTS.length);
  });

  test("times of parts are those of the worker that took longest", async () => {
    const reranker = await pool(3);
    const { timings } = await reranker.rerank("it", DOCUMENTS, { profile: true });
    const parts = timings.tokenize + timings.encode + timings.score + timings.explain;
    expect(parts).toBeLessThanOrEqual(timings.total + 1);
    expect(timings.stages).toHaveLength(1);
    expect(timings.encoder!.products % 4).toBe(0);
  });

  test("dispose ends every worker and rejects what is open", async () => {
    const reranker = await pool(3);
    for (const engine of engines) engine.beforeText = () => new Promise(() => {});
    const call = reranker.rerank("it", DOCUMENTS);
    reranker.dispose();
    await expect(call).rejects.toMatchObject({ code: "DISPOSED" });
    const said = LoopWorker.log.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(LoopWorker.log).toHaveLength(said);
  });

  test("dispose while workers are loading starts none", async () => {
    const reranker = await load(3);
    await reranker.rerank("it", FEW);
    reranker.dispose();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(engines).toHaveLength(1);
  });

  test("more than the queue takes are refused", async () => {
    const reranker = await pool(2, { limits: { queue: 2 } });
    const calls = [reranker.rerank("it", DOCUMENTS), reranker.rerank("it", DOCUMENTS)];
    await expect(reranker.rerank("it", DOCUMENTS)).rejects.toMatchObject({ code: "BUSY" });
    expect(await Promise.all(calls)).toHaveLength(2);
  });

  test("a codec is given to all workers, those that come later too", async () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ id: "c", dimension: 2, nbits: 4 }));
    const residual = { codec: "residual", dimension: 2, codes: Uint32Array.of(1), residuals: Uint8Array.of(1) } as const;
    const options: RerankOptions<string> = { codecs: [ResidualCodec.from(bytes)], embeddings: (_, index) => (index % 9 ? undefined : residual) };
    const reranker = await load(3);
    await reranker.rerank("it", DOCUMENTS, options);
    await vi.waitFor(() => expect(engines).toHaveLength(3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The first has something else to do.
    engines[0]!.explain = () => new Promise(() => {});
    void reranker.explain("it", "text").catch(() => {});
    await reranker.rerank("it", DOCUMENTS, options);
    const groups = engines.slice(1).flatMap(({ vectors }) => vectors.flat());
    expect(groups.map(({ codecId }) => codecId)).toEqual(["c"]);
    reranker.dispose();
  });

  test.each<[string, RerankOptions<string>]>([
    ["one stage", {}],
    ["several stages", { stages: [{ use: "bm25", keep: 800 }, { use: "late" }] }],
    ["several stages, explained", { stages: [{ use: "bm25" }, { use: "late" }], topK: 20, explain: true }],
  ])("a list of embeddings is handed over, in %s", async (_, options) => {
    const rows = (place: number) => ({ codec: "f32", dimension: 2, embeddings: new Float32Array(2 * (1 + (place % 80))) }) as const;
    const list = () => EmbeddingList.write(DOCUMENTS.map((_, place) => (place % 2 ? undefined : rows(place))));
    const expected = withoutTimes(await (await load(1)).rerank("it", DOCUMENTS, { ...options, embeddings: await list() }));
    engines = [];
    const reranker = await pool(3);
    const [bytes, before] = [await list(), asked()];
    expect(withoutTimes(await reranker.rerank("it", DOCUMENTS, { ...options, embeddings: bytes, transfer: true }))).toEqual(expected);
    expect(bytes.byteLength).toBe(0);
    const isCut = !(options.explain && options.stages);
    expect(asked().slice(1).every((count, which) => count > before[which + 1]!)).toBe(isCut);
  });

  test("what is encoded is kept, and found again", async () => {
    const reranker = await pool(3, { vectorCache: true });
    await reranker.vectorCache.clear();
    const first = await reranker.rerank("it", DOCUMENTS);
    const second = await reranker.rerank("it", DOCUMENTS);
    expect(first.timings).toMatchObject({ cacheHits: 0, cacheMisses: DOCUMENTS.length });
    expect(second.timings).toMatchObject({ cacheHits: DOCUMENTS.length, cacheMisses: 0 });
  });
});
