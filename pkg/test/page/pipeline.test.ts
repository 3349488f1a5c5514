import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type CallProgress, type Fusion, type LoadOptions, type RerankOptions, Reranker, type Stage } from "../../src/index.js";
import { FakeEngine, type FakeModule, fakeModule, INFO } from "../support/engine.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

/** In the order of `late` 2, 3, 0, 1; the fake cross-encoder likes short ones. */
const DOCUMENTS = ["ccc", "a", "bbbbb", "dddd"];

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

const load = (options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", ...options });

/** An encoder, a cross-encoder, and what workers get that come after theirs. */
async function both(options: LoadOptions = {}, ...later: FakeModule[]): Promise<{ reranker: Reranker; crossEncoder: Reranker }> {
  stubWorkers(fakeModule(async () => encoder), fakeModule(async () => cross), ...later);
  return { reranker: await load(), crossEncoder: await load(options) };
}

const indices = (results: { index: number }[]) => results.map(({ index }) => index);

describe("one model", () => {
  test("does all its stages in one call, each keeping what it is told", async () => {
    const { reranker } = await both();
    const stages: Stage<string>[] = [{ use: "given", score: (document) => document.length % 5, keep: 3 }, { use: "bm25", k1: 1.2, b: 0, stopWords: ["the"] }, { use: "dense", pooling: "cls", keep: 2 }, { use: "late" }];
    const { results, timings } = await reranker.rerank("q", DOCUMENTS, { stages, topK: 1 });
    expect(encoder.asked).toHaveLength(1);
    expect(encoder.asked[0]).toMatchObject({
      stages: [{ use: "given", keep: 3 }, { use: "bm25", k1: 1.2, b: 0, stopWords: ["the"] }, { use: "dense", pooling: "cls", keep: 2 }, { use: "late" }],
      given: Float64Array.of(3, 1, 0, 4),
      topK: 1,
    });
    expect(results).toEqual([
      {
        index: 0,
        rank: 1,
        score: 3,
        normalizedScore: 0.75,
        stages: [{ use: "given", rank: 2, score: 3 }, { use: "bm25", rank: 2, score: 99 }, { use: "dense", rank: 2, score: expect.closeTo(-0.03) }, { use: "late", rank: 1, score: 3 }],
        document: "ccc",
        truncated: false,
      },
    ]);
    expect(timings.stages).toHaveLength(4);
  });

  test("of one stage is what it does without stages", async () => {
    const { reranker, crossEncoder } = await both();
    const timeless = async (model: Reranker, options: RerankOptions<string>) => ({ ...(await model.rerank("q", DOCUMENTS, options)), timings: undefined });
    expect(await timeless(reranker, { stages: [{ use: "late" }], explain: true })).toEqual(await timeless(reranker, { explain: true }));
    expect(await timeless(crossEncoder, { stages: [{ use: "crossEncoder" }] })).toEqual(await timeless(crossEncoder, {}));
    expect([encoder.asked[0], cross.asked[0]]).toEqual([encoder.asked[1], cross.asked[1]]);
  });

  test("given scores come back as they were, and documents may have none", async () => {
    const { reranker } = await both();
    const score = (document: string) => ({ ccc: 0.1, a: 0.2 })[document];
    const { results } = await reranker.rerank("q", DOCUMENTS.slice(0, 2), { stages: [{ use: "given", score }] });
    expect(results.map(({ score }) => score)).toEqual([0.2, 0.1]);
    await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "given", score }] });
    expect(encoder.asked[1]!.given).toEqual(Float64Array.of(0.1, 0.2, Number.NaN, Number.NaN));
  });

  test("a document without a given score has one just below the least", async () => {
    const { reranker } = await both();
    const lastOf = async (scores: Record<string, number>) => {
      const { results } = await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "given", score: (document) => scores[document] }] });
      return results.map(({ score, stages }) => {
        expect(stages[0]!.score).toBe(score);
        return score;
      });
    };
    for (const least of [0.1, 0, -7, 1.7e12]) {
      const [, last, ...others] = await lastOf({ ccc: least, a: least + 1 });
      expect(last).toBe(least);
      for (const other of others) expect([other! < least, least - other! <= Math.max(Math.abs(least) * 1e-15, Number.MIN_VALUE)]).toEqual([true, true]);
    }
    expect(await lastOf({})).toEqual([0, 0, 0, 0]);
  });

  test("keeps all where more are to stay than the engine counts to", async () => {
    const { reranker, crossEncoder } = await both();
    const keep = Number.MAX_SAFE_INTEGER;
    const stages: Stage<string>[] = [{ use: "late", keep }, { use: "bm25", keep: 2 }, { use: "crossEncoder", model: crossEncoder, keep }];
    expect((await reranker.rerank("q", DOCUMENTS, { stages, topK: keep })).results).toHaveLength(2);
    expect([encoder.asked[0]!.stages, cross.asked[0]!.stages]).toEqual([[{ use: "late", keep: 4 }, { use: "bm25", keep: 2 }], [{ use: "crossEncoder", keep: 2 }]]);
  });

  test("asks nothing of documents that nothing reads, and hands on how the list is to end", async () => {
    const { reranker } = await both();
    const end = { minScore: -1.5, fuse: { by: "reciprocalRanks", k: 10 }, diversify: 0.5 } as const;
    await reranker.rerank("q", DOCUMENTS, end);
    expect(encoder.asked[0]).toMatchObject(end);
    expect(encoder.asked[0]).not.toHaveProperty("given");
    await reranker.rerank("q", DOCUMENTS);
    for (const name of [...Object.keys(end), "given", "windows"]) expect(encoder.asked[1]).not.toHaveProperty(name);
  });

  test("marks texts that are the same by where they came first", async () => {
    const { reranker, crossEncoder } = await both();
    const { results } = await reranker.rerank("q", ["aa", "b", "aa", "b"], { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] });
    expect(results.map(({ index, sameAs }) => [index, sameAs])).toEqual([[1, undefined], [3, 1], [0, undefined], [2, 0]]);
    // The second comes first to the second model.
    let asked = 0;
    const again = await reranker.rerank("q", ["aa", "aa"], { stages: [{ use: "late" }, { use: "given", score: () => asked++ }, { use: "crossEncoder", model: crossEncoder }] });
    expect(again.results.map(({ index, sameAs }) => [index, sameAs])).toEqual([[1, 0], [0, undefined]]);
  });
});

describe("several models", () => {
  test("get the texts that are left, in the order they have by then, and places are those of the caller's list", async () => {
    const { reranker, crossEncoder } = await both();
    const documents = DOCUMENTS.map((body) => ({ body }));
    const stages: Stage<{ body: string }>[] = [{ use: "late", keep: 3 }, { use: "crossEncoder", model: crossEncoder, keep: 2 }];
    const sent = vi.spyOn(cross, "rerank");
    const { results, timings, device } = await reranker.rerank("q", documents, { stages, text: ({ body }) => body });
    expect(sent.mock.calls[0]!.slice(0, 2)).toEqual(["q", ["bbbbb", "dddd", "ccc"]]);
    expect(results.map(({ index, rank, document, stages }) => ({ index, rank, document, stages }))).toEqual([
      { index: 0, rank: 1, document: documents[0], stages: [{ use: "late", rank: 3, score: 3 }, { use: "crossEncoder", rank: 1, score: expect.closeTo(1 / 3) }] },
      { index: 3, rank: 2, document: documents[3], stages: [{ use: "late", rank: 2, score: 4 }, { use: "crossEncoder", rank: 2, score: 0.25 }] },
    ]);
    expect(results[0]!.document).toBe(documents[0]);
    expect([timings.stages.length, device]).toEqual([2, "cpu"]);
  });

  test("do what needs none along with their own stages", async () => {
    const { reranker, crossEncoder } = await both();
    await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "bm25" }, { use: "crossEncoder", model: crossEncoder }, { use: "given", score: () => 1 }, { use: "late" }] });
    expect(cross.asked.map(({ stages }) => stages!.map(({ use }) => use))).toEqual([["bm25", "crossEncoder", "given"]]);
    expect(encoder.asked.map(({ stages }) => stages!.map(({ use }) => use))).toEqual([["late"]]);
    expect(encoder.asked[0]).toHaveProperty("given");
  });

  test("take turns, also one model twice", async () => {
    const { reranker, crossEncoder } = await both();
    const totals: number[] = [];
    const stages: Stage<string>[] = [{ use: "dense", keep: 3 }, { use: "crossEncoder", model: crossEncoder }, { use: "late", keep: 1 }];
    const { results } = await reranker.rerank("q", DOCUMENTS, { stages, onProgress: ({ total }) => totals.push(total) });
    expect(new Set(totals)).toEqual(new Set([10]));
    expect(results).toMatchObject([{ index: 3, stages: [{ use: "dense" }, { use: "crossEncoder" }, { use: "late" }] }]);
    expect([encoder.asked.length, cross.asked.length]).toEqual([2, 1]);
  });

  test("leave explanations to the late stage's, of what came out", async () => {
    const { reranker, crossEncoder } = await both();
    const stages: Stage<string>[] = [{ use: "late", keep: 3 }, { use: "crossEncoder", model: crossEncoder }];
    const { results, timings } = await reranker.rerank("q", DOCUMENTS, { stages, explain: true, topK: 2 });
    expect(results.map(({ index, explanation, stages }) => [index, explanation!.score, stages.length])).toEqual([[0, 3, 2], [3, 4, 2]]);
    expect([encoder.asked.map(({ explain }) => explain), cross.asked.map(({ explain }) => explain)]).toEqual([[false, true], [false]]);
    expect(timings.stages).toHaveLength(2);
    expect((await crossEncoder.rerank("q", DOCUMENTS, { stages: [{ use: "late", model: reranker }, { use: "crossEncoder" }], explain: true })).results).toHaveLength(4);
  });

  test("are explained by the one that is late, whichever encoders there are", async () => {
    cross.info = INFO;
    const { reranker, crossEncoder: other } = await both();
    const { results } = await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "late" }, { use: "dense", model: other }], explain: true });
    expect(results.every(({ explanation }) => explanation)).toBe(true);
    expect([encoder.asked.map(({ explain }) => explain), cross.asked.map(({ explain }) => explain)]).toEqual([[false, true], [false]]);
  });

  test("read long documents in windows where they are encoders", async () => {
    const { reranker, crossEncoder } = await both();
    await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }], longDocuments: "windows" });
    expect([encoder.windows, cross.windows]).toEqual([[{ maxWindows: 16 }], [undefined]]);
    const message = 'longDocuments is "windows", and a cross-encoder cuts what it does not read';
    await expect(crossEncoder.rerank("q", DOCUMENTS, { longDocuments: "windows" })).rejects.toMatchObject({ code: "INVALID_INPUT", message });
  });

  test("fuse and cut at the last stage, and tell documents apart by an encoder", async () => {
    const { reranker, crossEncoder } = await both();
    const fuse: Fusion = { by: "standardScores" };
    const stages: Stage<string>[] = [{ use: "given", score: () => 1 }, { use: "late" }, { use: "crossEncoder", model: crossEncoder }];
    const { results } = await reranker.rerank("q", DOCUMENTS, { stages, fuse, minScore: 0.3, diversify: 0.7, topK: 2 });
    expect(cross.asked).toMatchObject([{ fuse, minScore: 0.3, topK: 4, given: Float64Array.of(1, 1, 1, 1) }]);
    expect(cross.asked[0]).not.toHaveProperty("diversify");
    expect(encoder.asked[1]).toMatchObject({ diversify: 0.7, topK: 2, given: Float64Array.of(1, 1 / 3, 0.25, 0.2).map(Math.fround) });
    expect(encoder.asked[1]).not.toHaveProperty("fuse");
    expect(results.map(({ stages }) => stages.length)).toEqual([3, 3]);
  });

  test("tell of progress as of one, which never falls and ends", async () => {
    const { reranker, crossEncoder } = await both();
    const events: CallProgress[] = [];
    await reranker.rerank("q", DOCUMENTS, { stages: [{ use: "late", keep: 2 }, { use: "crossEncoder", model: crossEncoder }], explain: true, onProgress: (progress) => events.push(progress) });
    expect(events).toEqual([1, 2, 3, 4, 5, 6].map((done) => ({ done, total: 6 })));
  });

  test("tell of the end also where no model reads a text, and can be aborted then", async () => {
    const { reranker } = await both();
    vi.spyOn(encoder, "rerank").mockImplementation(async () => ({
      indices: Uint32Array.of(1, 0),
      scored: 2,
      unscored: 0,
      cost: { tokens: 2, pairs: 2 },
      scores: Float32Array.of(7.5, 0),
      ranks: Uint32Array.of(1, 2),
      sameAs: Uint32Array.of(1, 0),
      queryTruncated: false,
      truncated: new Uint8Array(2),
      warnings: [],
    }));
    const events: CallProgress[] = [];
    const stages: Stage<string>[] = [{ use: "bm25" }];
    await reranker.rerank("q", ["a", "b"], { stages, onProgress: (progress) => events.push(progress) });
    expect(events).toEqual([{ done: 2, total: 2 }]);
    const controller = new AbortController();
    const aborted = reranker.rerank("q", ["a", "b"], { stages, signal: controller.signal, onProgress: () => controller.abort("enough") });
    await expect(aborted).rejects.toBe("enough");
  });

  test("are aborted in each stage", async () => {
    for (const stage of [0, 1, 2]) {
      const { reranker, crossEncoder } = await both();
      const controller = new AbortController();
      let calls = 0;
      const here = () => void (calls++ === stage && controller.abort("enough"));
      for (const engine of [encoder, cross]) engine.beforeText = here;
      const stages: Stage<string>[] = [{ use: "late", keep: 1 }, { use: "crossEncoder", model: crossEncoder }, { use: "dense" }];
      const call = reranker.rerank("q", ["a"], { stages, signal: controller.signal });
      await expect(call).rejects.toBe("enough");
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(calls).toBe(stage + 1);
      for (const engine of [encoder, cross]) engine.beforeText = () => {};
      expect((await reranker.rerank("q", ["a"], { stages })).results).toHaveLength(1);
    }
  });

  test("end with the newest call where that says latest", async () => {
    const { reranker, crossEncoder } = await both();
    const stages: Stage<string>[] = [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }];
    let newer: Promise<unknown> | undefined;
    cross.beforeText = () => void (newer ??= reranker.rerank("newer", ["a"], { stages, mode: "latest" }));
    await expect(reranker.rerank("older", ["a"], { stages, mode: "latest" })).rejects.toMatchObject({ name: "AbortError" });
    expect(await newer).toMatchObject({ results: [{ index: 0 }] });
  });

  test("survive the death of the second one's worker in the middle, once", async () => {
    const dying = new FakeEngine();
    dying.info = cross.info;
    dying.beforeText = () => {
      throw new WebAssembly.RuntimeError("divide by zero");
    };
    stubWorkers(fakeModule(async () => encoder), fakeModule(async () => dying), fakeModule(async () => cross));
    const reranker = await load();
    const crossEncoder = await load();
    const events: number[] = [];
    const stages: Stage<string>[] = [{ use: "late", keep: 3 }, { use: "crossEncoder", model: crossEncoder }];
    const { results } = await reranker.rerank("q", DOCUMENTS, { stages, onProgress: ({ done }) => events.push(done) });
    expect(indices(results)).toEqual([0, 3, 2]);
    expect([encoder.started.length, cross.started.length]).toEqual([1, 1]);
    expect(events).toEqual([1, 2, 3, 4, 5, 6, 7]);

    stubWorkers(fakeModule(async () => encoder), fakeModule(async () => dying));
    const [again, dead] = [await load(), await load()];
    await expect(again.rerank("q", DOCUMENTS, { stages: [{ use: "late" }, { use: "crossEncoder", model: dead }] })).rejects.toMatchObject({ code: "INTERNAL" });
    expect((await again.rerank("q", DOCUMENTS)).results).toHaveLength(4);
  });

  test.each([0, 1])("end at once with DISPOSED where one is disposed of, whichever is at work (%i)", async (which) => {
    const { reranker, crossEncoder } = await both();
    encoder.beforeText = () => {
      [reranker, crossEncoder][which]!.dispose();
      return new Promise(() => {});
    };
    const call = reranker.rerank("q", DOCUMENTS, { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] });
    await expect(call).rejects.toMatchObject({ code: "DISPOSED" });
    expect(cross.started).toEqual([]);
    await expect(reranker.rerank("q", [], { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] })).rejects.toMatchObject({ code: "DISPOSED" });
  });

  test("have limits of their own, for what reaches them", async () => {
    const { reranker, crossEncoder } = await both({ limits: { documents: 2, textLength: 4 } });
    const stages = (keep: number): Stage<string>[] => [{ use: "dense", keep }, { use: "crossEncoder", model: crossEncoder }];
    expect((await reranker.rerank("q", DOCUMENTS, { stages: stages(2) })).results).toHaveLength(2);
    await expect(reranker.rerank("q", DOCUMENTS, { stages: stages(3) })).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: "documents has 3 entries; limits.documents is 2" });
    await expect(reranker.rerank("q", ["bbbbb"], { stages: stages(3) })).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: "documents[0] has 5 UTF-16 units; limits.textLength is 4" });
    expect(cross.started).toHaveLength(1);
  });

  test("tell of warnings of the call, each model's", async () => {
    const { reranker, crossEncoder } = await both();
    cross.longest = 100;
    const { warnings, queryTruncated, results } = await reranker.rerank("a query that is cut", ["a", "a very long text"], { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] });
    expect(warnings.map(({ code }) => code)).toEqual(["QUERY_TRUNCATED"]);
    cross.longest = 8;
    expect((await reranker.rerank("a query that is cut", ["a"], { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] })).warnings).toHaveLength(2);
    expect([queryTruncated, results.map(({ truncated }) => truncated)]).toEqual([true, [false, true]]);
  });
});

describe("a query of embeddings", () => {
  test("is copied and ranks by late interaction", async () => {
    const { reranker } = await both();
    const sent = vi.spyOn(encoder, "rerank");
    const embeddings = Float32Array.of(1, 0, 0, 1);
    const call = reranker.rerank({ embeddings }, DOCUMENTS, { stages: [{ use: "given", score: () => 1 }, { use: "late", keep: 2 }], explain: true });
    embeddings.fill(7);
    expect((await call).results).toHaveLength(2);
    expect(sent.mock.calls[0]![0]).toEqual(Float32Array.of(1, 0, 0, 1));
  });

  test("is refused where it makes no sense", async () => {
    const { reranker, crossEncoder } = await both();
    const embeddings = Float32Array.of(1, 0, 0);
    for (const [model, query, stages, message] of [
      [reranker, {}, undefined, "query.embeddings is undefined; expected a Float32Array"],
      [reranker, { embeddings: Float32Array.of(1, 0, NaN, 0) }, undefined, "query.embeddings[2] is NaN; expected a finite number"],
      [reranker, { embeddings: [1, 2] }, undefined, "query.embeddings is an array; expected a Float32Array"],
      [reranker, { embeddings: new Float32Array() }, undefined, "query.embeddings is empty"],
      [reranker, { embeddings }, undefined, "query.embeddings has 3 values, which are no rows of 2"],
      [reranker, { embeddings }, [{ use: "bm25" }], 'query holds embeddings, and stages[0] ("bm25") ranks by a query\'s text'],
      [crossEncoder, { embeddings }, undefined, 'query holds embeddings, and stages[0] ("crossEncoder") ranks by a query\'s text'],
      [reranker, { get embeddings(): Float32Array { throw new Error("no"); } }, undefined, "query.embeddings: reading it threw an error"],
      [reranker, { embeddings: new Proxy(embeddings, {}) }, undefined, "query.embeddings cannot be read: it was transferred, or is a proxy of an array"],
    ] as [Reranker, { embeddings: Float32Array }, Stage[] | undefined, string][]) {
      await expect(model.rerank(query, ["a"], stages && { stages }), message).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    }
    expect([encoder.asked, cross.asked]).toEqual([[], []]);
  });
});

describe("a cross-encoder by itself", () => {
  test("ranks without options, by what its activation gives", async () => {
    const { crossEncoder } = await both();
    vi.spyOn(cross, "rerank").mockResolvedValue({
      indices: Uint32Array.of(1, 0),
      scored: 2,
      unscored: 0,
      cost: { tokens: 2, pairs: 2 },
      scores: Float32Array.of(7.5, -9),
      ranks: Uint32Array.of(1, 2),
      sameAs: Uint32Array.of(1, 0),
      queryTruncated: false,
      truncated: new Uint8Array(2),
      warnings: [],
    });
    expect(crossEncoder.model.kind).toBe("crossEncoder");
    expect((await crossEncoder.rerank("q", ["a", "b"])).results).toMatchObject([
      { index: 1, score: 7.5, normalizedScore: 7.5, stages: [{ use: "crossEncoder", rank: 1, score: 7.5 }] },
      { index: 0, score: -9, normalizedScore: -9 },
    ]);
  });

  test("encodes and explains nothing, and says so", async () => {
    const { crossEncoder } = await both();
    const message = "the model is a cross-encoder, which makes no embeddings";
    await expect(crossEncoder.encodeQuery("q")).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    await expect(crossEncoder.encodeDocuments(["a"])).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    await expect(crossEncoder.explain("q", "a")).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    await expect(crossEncoder.rerank("q", ["a"], { explain: true })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "explain is asked for, and a cross-encoder has no embeddings" });
    await expect(crossEncoder.rerank("q", ["a"], { diversify: 1 })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "diversify is asked for, and a cross-encoder has no embeddings" });
  });
});

describe("stages at the edge of their type", () => {
  const getter = { get use(): "late" { throw new Error("no"); } };

  test.each<[string, unknown, string]>([
    ["no list", "late", "stages is a string; expected an array"],
    ["none", [], "stages is empty"],
    ["too many", Array(17).fill({ use: "late" }), "stages has 17 entries; at most 16 are taken"],
    ["one that is no object", ["late"], "stages[0] is a string; expected an object"],
    ["one without a name", [{ use: "late" }, {}], 'stages[1].use is none of "given", "bm25", "dense", "late", "crossEncoder"'],
    ["a getter that throws", [getter], "stages[0].use: reading it threw an error"],
    ["an option that there is not", [{ use: "late", kep: 3 }], 'stages[0].kep is no option of "late"; there are use, keep, model'],
    ["a keep of none", [{ use: "late" }, { use: "bm25", keep: 0 }], "stages[1].keep is 0; expected a positive integer"],
    ["a pooling to no vector", [{ use: "dense", pooling: "none" }], 'stages[0].pooling is none of "mean", "cls", "checkpoint"'],
    ["a k1 below 0", [{ use: "bm25", k1: -1 }], "stages[0].k1 is -1; expected a number from 0 to 3.4028234663852886e+38"],
    ["a k1 that is infinite in 32 bits", [{ use: "bm25", k1: 1e39 }], "stages[0].k1 is 1e+39; expected a number from 0 to 3.4028234663852886e+38"],
    ["a b above 1", [{ use: "bm25", b: 1.1 }], "stages[0].b is 1.1; expected a number from 0 to 1"],
    ["a stop word", [{ use: "bm25", stopWords: ["a", 7] }], "stages[0].stopWords[1] is a number; expected a string"],
    ["a model that is none", [{ use: "late", model: {} }], "stages[0].model is an object; expected a Reranker"],
    ["a model that pretends", [{ use: "late", model: { own: () => ({}) } }], "stages[0].model is an object; expected a Reranker"],
    ["no scores", [{ use: "given" }], "stages[0].score is undefined; expected a function"],
    ["scores twice", [{ use: "given", score: () => 1 }, { use: "late" }, { use: "given", score: () => 1 }], 'stages[2].use is "given" a second time; a pipeline has one such stage'],
    ["a score that is no number", [{ use: "given", score: () => "1" }], "documents[0]: the score that stages[0].score gave is a string; expected a finite number"],
    ["a score without end", [{ use: "late" }, { use: "given", score: () => Infinity }], "documents[0]: the score that stages[1].score gave is Infinity; expected a finite number"],
    ["a score that is infinite in 32 bits", [{ use: "given", score: () => -1e39 }], "documents[0]: the score that stages[0].score gave is -1e+39; expected a number from -3.4028234663852886e+38 to 3.4028234663852886e+38"],
    ["a score that throws", [{ use: "given", score: () => { throw new Error("no"); } }], "documents[0]: stages[0].score threw an error"],
    ["another kind of model", [{ use: "crossEncoder" }], 'stages[0].use is "crossEncoder", and its model is an encoder'],
  ])("are refused with their place: %s", async (_, stages, message) => {
    const { reranker } = await both();
    await expect(reranker.rerank("q", ["a"], { stages: stages as Stage<string>[] })).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    expect(encoder.asked).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["a fusion in words", { fuse: "ranks" }, "fuse is a string; expected an object"],
    ["a fusion by nothing", { fuse: {} }, 'fuse.by is none of "reciprocalRanks", "standardScores"'],
    ["a fusion with k below 0", { fuse: { by: "reciprocalRanks", k: -1 } }, "fuse.k is -1; expected a number from 0 to 3.4028234663852886e+38"],
    ["a fusion with what it has not", { fuse: { by: "standardScores", k: 1 } }, "fuse.k is no option of \"standardScores\"; there are by"],
    ["scores to fuse that are not there", { fuse: { by: "standardScores" } }, 'fuse.by is "standardScores", and no stage is "given"'],
    ["a least score in words", { minScore: "0.5" }, "minScore is a string; expected a finite number"],
    ["more than all difference", { diversify: 1.5 }, "diversify is 1.5; expected a number from 0 to 1"],
  ])("as are other options: %s", async (_, options, message) => {
    const { reranker } = await both();
    await expect(reranker.rerank("q", ["a"], options)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
    expect(encoder.asked).toEqual([]);
  });

  test("are read once", async () => {
    const { reranker } = await both();
    const use = vi.fn().mockReturnValueOnce("late").mockReturnValue("much");
    const keep = vi.fn().mockReturnValueOnce(1).mockReturnValue("much");
    const stage = { get use() { return use() as "late"; }, get keep() { return keep() as number; } };
    expect((await reranker.rerank("q", DOCUMENTS, { stages: [stage] })).results).toHaveLength(1);
    expect([use.mock.calls.length, keep.mock.calls.length]).toEqual([1, 1]);
  });

  test("another kind of model is named where a stage names none", async () => {
    const { crossEncoder } = await both();
    await expect(crossEncoder.rerank("q", ["a"], { stages: [{ use: "bm25" }, { use: "late" }] })).rejects.toMatchObject({ message: 'stages[1].use is "late", and its model is a cross-encoder' });
  });
});
