import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EmbeddingList, type Embeddings, type GivenEmbeddings, ResidualCodec, Scorer } from "../../src/index.js";
import { engineError, type FakeModule, fakeModule } from "../support/engine.js";
import { FakeServer } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { CODECS, EXPECTED, fixture } from "../support/vectors.js";
import { stubWorkers } from "../support/workers.js";

/** Documents of 1 and 2 rows. */
const DOCUMENTS: Embeddings = { values: Float32Array.of(1, 0, 0, 1, 1, 1), lengths: Uint32Array.of(1, 2), dimension: 2 };

let module: FakeModule;

beforeEach(() => {
  stubSite({});
  module = fakeModule();
  stubWorkers(module);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = () => Scorer.load({ wasmUrl: "/model/tabrank.wasm" });

describe("a Scorer", () => {
  test("fetches the wasm module alone", async () => {
    expect((await load()).simd).toBe("simd128");
    expect(FakeServer.last!.requests).toEqual(["tabrank.wasm"]);
  });

  test("scores documents for one query, and many for many", async () => {
    const { score, similarity } = await load();
    expect(await score(Float32Array.of(3, 0, 3, 0), DOCUMENTS)).toEqual(Float32Array.of(3, 6));
    const queries = { values: Float32Array.of(3, 0, 3, 0, 5, 0), lengths: Uint32Array.of(2, 1), dimension: 2 };
    expect(await similarity(queries, DOCUMENTS)).toEqual(Float32Array.of(3, 6, 5, 10));
    expect(await similarity(queries, DOCUMENTS, { measure: "meanmaxsim" })).toEqual(Float32Array.of(1.5, 3, 5, 10));
    expect(await similarity({ ...queries, values: new Float32Array(), lengths: new Uint32Array() }, DOCUMENTS)).toEqual(new Float32Array());
  });

  test.each(CODECS)("scores embeddings in %s, of a list and of each document", async (codec) => {
    const { score, similarity } = await load();
    const file = new TextEncoder().encode(JSON.stringify({ id: EXPECTED.codecId, dimension: EXPECTED.dimension, nbits: 2 }));
    const codecs = [ResidualCodec.from(file)];
    const query = new Float32Array(EXPECTED.dimension).fill(2);
    const list = () => fixture(`${codec}.safetensors`);
    expect(await score(query, list().buffer, { codecs })).toEqual(Float32Array.of(6, 0, 10, 2));
    expect(await score(query, EmbeddingList.from(list()), { codecs })).toEqual(Float32Array.of(6, 0, 10, 2));
    const documents = EXPECTED.lists[codec].documents;
    expect(await score(query, [documents[2]!, documents[0]!], { codecs })).toEqual(Float32Array.of(10, 6));
    const queries = { values: query, lengths: Uint32Array.of(1), dimension: EXPECTED.dimension };
    expect(await similarity(queries, list(), { codecs })).toEqual(Float32Array.of(6, 0, 10, 2));
  });

  test("scores each document in a form of its own", async () => {
    const { score } = await load();
    const documents: GivenEmbeddings[] = [[[1, 0], [0, 1]], { embeddings_b64: "AACAPwAAAAA=", shape: [1, 2] }, { codec: "int8", dimension: 2, embeddings: Int8Array.of(127, 0), scales: [1 / 127] }];
    expect(await score(Float32Array.of(3, 0), documents)).toEqual(Float32Array.of(6, 3, 3));
  });

  test("explains a document's score by its embeddings", async () => {
    const { explain } = await load();
    const { maps, ...explanation } = await explain(Float32Array.of(3, 0, 0, 1), [[1, 0], [0, 1], [0, 1]]);
    const span = (row: number) => ({ id: null, token: "", start: null, end: null, row });
    const match = (row: number) => ({ query: span(row), document: span(2), similarity: 6, share: 0.5 });
    expect(explanation).toEqual({ score: 9, queryTruncated: false, truncated: false, matches: [match(0), match(1)] });
    expect(maps).toBeUndefined();
  });

  test("explains where on a page image matches lie, with a map for each embedding of the query", async () => {
    const { explain } = await load();
    const page = { embeddings: new Float32Array(14), dimension: 2, grid: [2, 3], page: [300, 100], patches: { offset: 1 } } as const;
    const { matches, maps } = await explain(Float32Array.of(1, 0), page);
    expect(matches[0]!.patch).toEqual({ row: 1, column: 2, rectangle: { x: 200, y: 50, width: 100, height: 50 } });
    expect(maps).toEqual([{ rows: 2, columns: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) }]);
  });

  test.each<[unknown, string, string]>([
    [null, "INVALID_INPUT", "document has no embeddings"],
    [[[1, 2, 3]], "INVALID_INPUT", "query has 2 values, which are no rows of 3"],
    [{ embeddings: [[1, 2]], grid: [1, 2] }, "INVALID_INPUT", "document.grid is 1 × 2, and 1 embeddings can be of patches"],
    [EXPECTED.lists.residual.documents[0], "INVALID_INPUT", "query has 2 values, which are no rows of 20"],
  ])("explains nothing of %j", async (document, code, message) => {
    const { explain } = await load();
    await expect(explain(Float32Array.of(1, 0), document as GivenEmbeddings)).rejects.toMatchObject({ code, message });
  });

  test.each<[string, unknown, string, string]>([
    ["no document", [], "INVALID_INPUT", "documents is empty"],
    ["one without embeddings", [[[1, 2]], null], "INVALID_INPUT", "documents[1] has no embeddings"],
    ["one of another width", [[[1, 2]], [[1, 2, 3]]], "MODEL_MISMATCH", "documents[1] has embeddings of 3 values, and documents[0] of 2"],
    ["one of another model", [[[1, 2]], { embeddings: [[1, 2]], embeddingId: "v1-a" }], "MODEL_MISMATCH", "documents[1] is of another model than documents[0]"],
    ["residuals without a codec", [EXPECTED.lists.residual.documents[0]], "INVALID_INPUT", "documents[0]: its embeddings are residuals, and no codec is given"],
    ["a list that is none", new ArrayBuffer(8), "INVALID_INPUT", "documents is no list of embeddings: it does not begin with the header of a safetensors file"],
  ])("refuses %s", async (_, documents, code, message) => {
    const scorer = await load();
    await expect(scorer.score(new Float32Array(20), documents as GivenEmbeddings[])).rejects.toMatchObject({ code, message });
  });

  test("copies what it is given, and leaves the caller's buffers alone", async () => {
    const { score } = await load();
    const query = Float32Array.of(3, 0);
    const call = score(query, DOCUMENTS);
    query.fill(7);
    expect(await call).toEqual(Float32Array.of(3, 6));
    expect([query.length, DOCUMENTS.values.length]).toEqual([2, 6]);
  });

  test("is aborted, and replaced when its worker dies", async () => {
    const { score } = await load();
    const controller = new AbortController();
    const call = score(Float32Array.of(3, 0), DOCUMENTS, { signal: controller.signal });
    controller.abort("enough");
    await expect(call).rejects.toBe("enough");

    const dying = fakeModule();
    dying.ScoredDocuments = class {
      maxsim(): never {
        throw new WebAssembly.RuntimeError("divide by zero");
      }

      similarities(): never {
        return this.maxsim();
      }

      free(): void {}
    };
    stubWorkers(dying, module);
    const replaced = await load();
    expect(await replaced.score(Float32Array.of(3, 0), DOCUMENTS)).toEqual(Float32Array.of(3, 6));
    expect(FakeServer.last!.requests).toEqual(["tabrank.wasm", "tabrank.wasm"]);
  });

  test("blames the embeddings, as there is no checkpoint", async () => {
    const { score } = await load();
    vi.spyOn(module.ScoredDocuments.prototype, "maxsim").mockImplementation(() => {
      throw engineError("NON_FINITE", "the score of documents[0] is not finite");
    });
    await expect(score(Float32Array.of(3, 0), DOCUMENTS)).rejects.toMatchObject({ code: "NON_FINITE", hint: expect.stringContaining("Check the embeddings") });
  });

  test("is disposed of", async () => {
    const scorer = await load();
    const call = scorer.score(Float32Array.of(3, 0), DOCUMENTS);
    scorer[Symbol.dispose]();
    await expect(call).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(scorer.similarity(DOCUMENTS, DOCUMENTS)).rejects.toMatchObject({ code: "DISPOSED" });
  });

  test.each<[string, unknown, unknown, string]>([
    ["no rows", [1, 2], DOCUMENTS, "query is an array; expected a Float32Array"],
    ["an empty query", new Float32Array(), DOCUMENTS, "query is empty"],
    ["a number that is none", Float32Array.of(1, -Infinity), DOCUMENTS, "query[1] is -Infinity; expected a finite number"],
    ["half a row", Float32Array.of(1, 2, 3), DOCUMENTS, "query has 3 values, which are no rows of 2"],
    ["no documents", Float32Array.of(1, 2), null, "documents is null; expected an object"],
    ["no width", Float32Array.of(1, 2), { ...DOCUMENTS, dimension: 0 }, "documents.dimension is 0; expected a positive integer"],
    ["lengths of another kind", Float32Array.of(1, 2), { ...DOCUMENTS, lengths: [1, 2] }, "documents.lengths is an array; expected a Uint32Array"],
    ["lengths that do not add up", Float32Array.of(1, 2), { ...DOCUMENTS, lengths: Uint32Array.of(1, 4294967295) }, "documents.values has 6 values; documents.lengths says 4294967296 rows of 2"],
    ["a proxy", Float32Array.of(1, 2), { ...DOCUMENTS, values: new Proxy(DOCUMENTS.values, {}) }, "documents.values cannot be read: it was transferred, or is a proxy of an array"],
    ["a getter that throws", Float32Array.of(1, 2), { get dimension(): number { throw new Error("no"); } }, "documents.dimension: reading it threw an error"],
  ])("refuses %s", async (_, query, documents, message) => {
    const scorer = await load();
    await expect(scorer.score(query as Float32Array, documents as Embeddings)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
  });

  test("refuses more documents than its limit, widths that differ, queries that are no numbers, and other measures", async () => {
    const scorer = await Scorer.load({ wasmUrl: "/model/tabrank.wasm", limits: { documents: 1 } });
    await expect(scorer.score(Float32Array.of(1, 2), DOCUMENTS)).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: "documents has 2 texts; limits.documents is 1" });
    const other = await load();
    const wide = { values: Float32Array.of(1, 2, 3), lengths: Uint32Array.of(1), dimension: 3 };
    await expect(other.similarity(wide, DOCUMENTS)).rejects.toMatchObject({ message: "queries.dimension is 3, and documents.dimension is 2" });
    const broken = { values: Float32Array.of(1, 2, 3, NaN), lengths: Uint32Array.of(1, 1), dimension: 2 };
    await expect(other.similarity(broken, DOCUMENTS)).rejects.toMatchObject({ message: "queries.values[3] is NaN; expected a finite number" });
    await expect(other.similarity(DOCUMENTS, DOCUMENTS, { measure: "cosine" as "maxsim" })).rejects.toMatchObject({ message: 'measure is none of "maxsim", "meanmaxsim"' });
    await expect(Scorer.load({ device: "cpu", simd: "none" } as object)).rejects.toMatchObject({ message: 'simd is none of "auto", "simd128"' });
  });
});
