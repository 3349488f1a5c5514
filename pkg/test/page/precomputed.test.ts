import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DocumentEmbeddings, EmbeddingList, type GivenEmbeddings, type LoadOptions, type RerankOptions, Reranker, ResidualCodec, type Stage } from "../../src/index.js";
import { engineError, FakeEngine, type FakeModule, fakeModule, INFO } from "../support/engine.js";
import { stubSite } from "../support/site.js";
import { CODECS, EXPECTED, fixture } from "../support/vectors.js";
import { LoopWorker, stubWorkers } from "../support/workers.js";

/** The model of the fixtures' lists. */
const MODEL = { ...INFO, dimension: EXPECTED.dimension, embeddingId: EXPECTED.embeddingId };

const CODEC = { id: EXPECTED.codecId, dimension: EXPECTED.dimension, nbits: 2, embeddingId: EXPECTED.embeddingId };

let encoder: FakeEngine;
let workers: { urls: string[] };

beforeEach(() => {
  stubSite();
  encoder = new FakeEngine();
  encoder.info = MODEL;
  workers = stubWorkers(fakeModule(async () => encoder));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = (options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", ...options });

const listBytes = (name: string) => fixture(`${name}.safetensors`).buffer;

const codecOf = (codec: object) => ResidualCodec.from(new TextEncoder().encode(JSON.stringify(codec)));

/** Rows of two values for a model of that width. */
const NARROW = { ...INFO, embeddingId: "v1-narrow" };

const float = (...values: number[]) => ({ embeddings: Float32Array.from(values) });

async function narrow(...modules: FakeModule[]): Promise<Reranker> {
  encoder.info = NARROW;
  stubWorkers(fakeModule(async () => encoder), ...modules);
  return load();
}

describe("mixed lists", () => {
  test.each(CODECS)("of one list in %s: those in it are scored by it, the others are encoded", async (codec) => {
    const reranker = await load();
    const documents = ["a text that is not read", "encoded", { id: "p", text: "x" }, { id: 7 }];
    const heard: string[] = [];
    encoder.beforeText = (text) => void heard.push(text);
    const { results } = await reranker.rerank("q", documents, { embeddings: listBytes(codec), text: (document) => (typeof document === "string" ? document : document.text), codecs: [codecOf(CODEC)] });
    expect(heard).toEqual(["encoded"]);
    expect(results.map(({ index, id, score }) => [index, id, score])).toEqual([[1, undefined, 7], [2, "p", 5], [0, undefined, 3], [3, "7", 1]]);
    const [group] = encoder.vectors[0]!;
    expect(encoder.vectors[0]).toHaveLength(1);
    expect(group).toMatchObject({ codec, dimension: 20, lengths: Uint32Array.of(3, 5, 1), places: Uint32Array.of(0, 2, 3) });
    expect(group!.codecId).toBe(codec === "residual" ? EXPECTED.codecId : undefined);
    // All arrays are of one buffer, that of the list.
    const arrays = [group!.codes, group!.scales, group!.residuals].flatMap((array) => (array ? [array.buffer] : []));
    expect(new Set(arrays).size).toBe(1);
    expect(arrays[0]!.byteLength).toBe(listBytes(codec).byteLength);
  });

  test("of documents with embeddings in every codec and form", async () => {
    const reranker = await load();
    const { lists } = EXPECTED;
    const documents = [
      { id: "json", ...lists.int8.documents[0]! },
      { id: "below", embeddings: lists.f16.documents[2]! },
      { id: "text", text: "text" },
      { id: "shaped", embeddings_b64: lists.f32.documents[3]!.embeddings as string, shape: [1, 20] },
      { id: "arrays", embeddings: EmbeddingList.from(listBytes("int8")).at(3)! },
      { id: "beside", ...EmbeddingList.from(listBytes("binary")).at(2)! },
      { id: "rows", embeddings: [[...lists.f32.decompressed[3]!]] },
      { id: "residual", ...lists.residual.documents[3]!, codecId: undefined },
    ];
    const { results } = await reranker.rerank("q", documents, { codecs: [codecOf(CODEC)] });
    expect(results.map(({ id }) => id)).toEqual(["below", "beside", "text", "json", "shaped", "arrays", "rows", "residual"]);
    const [int8, f16, f32, binary, residual] = encoder.vectors[0]!;
    expect([int8, f16, f32, binary, residual].map((group) => [group!.codec, [...group!.lengths], [...group!.places], group!.codecId])).toEqual([
      ["int8", [3, 1], [0, 4], undefined],
      ["f16", [5], [1], undefined],
      ["f32", [1, 1], [3, 6], undefined],
      ["binary", [5], [5], undefined],
      ["residual", [1], [7], CODEC.id],
    ]);
    const numbers = new Float32Array(f32!.codes.slice().buffer);
    expect([...numbers.subarray(0, 20)]).toEqual(lists.f32.decompressed[3]!.map(Math.fround));
    expect([...numbers.subarray(20)]).toEqual([...numbers.subarray(0, 20)]);
    const scales = [0, 3].map((index) => EmbeddingList.from(listBytes("int8")).at(index)!.scales as Float32Array);
    expect([...int8!.scales!]).toEqual(scales.flatMap((each) => [...each]));
  });

  test("of records whose other fields are null, as JSON has what is left out", async () => {
    const reranker = await narrow();
    const nothing = Object.fromEntries(["codec", "dimension", "embeddingId", "codecId", "embeddings_b64", "shape", "scales", "codes", "residuals", "grid", "page", "patches"].map((name) => [name, null]));
    const record = { embeddings: [[1, 0]] };
    const documents = [record, { ...nothing, ...record }, { embeddings: { ...nothing, ...record } }, { ...nothing, embeddings: null, text: "a" }];
    const { results } = await reranker.rerank("q", documents, { text: (document) => ("text" in document ? String(document.text) : undefined) });
    expect(results).toHaveLength(4);
    expect(encoder.vectors[0]).toMatchObject([{ codec: "f32", lengths: Uint32Array.of(1, 1, 1), places: Uint32Array.of(0, 1, 2) }]);
    const paged = [{ ...nothing, ...record, grid: [1, 1], patches: { offset: null, tile: null, mask: null } }];
    expect((await reranker.rerank("q", paged as object[], { explain: true })).results).toHaveLength(1);
  });

  test("by an accessor, which hears the document and its place", async () => {
    const reranker = await narrow();
    const hits = [{ vector: { colbert: [[1, 0], [0, 1]] }, key: "a" }, { vector: {}, key: "b", text: "bbb" }, { vector: { colbert: null }, key: "c", text: "" }];
    const heard: unknown[] = [];
    const { results } = await reranker.rerank("q", hits, {
      embeddings: (hit, index) => {
        heard.push([hit.key, index]);
        return hit.vector.colbert;
      },
      id: ({ key }, index) => (index === 2 ? null : `${key}-${index}`),
    });
    expect(heard).toEqual([["a", 0], ["b", 1], ["c", 2]]);
    expect(results.map(({ id, score }) => [id, score])).toEqual([["b-1", 3], ["a-0", 2], [undefined, 0]]);
    expect(results[2]).not.toHaveProperty("id");
    expect(encoder.vectors[0]).toMatchObject([{ codec: "f32", dimension: 2, lengths: Uint32Array.of(2), codes: new Uint8Array(Float32Array.of(1, 0, 0, 1).buffer) }]);
  });

  test("a vector of another kind of search is not taken for rows, and nothing is asked of a cross-encoder", async () => {
    const reranker = await narrow();
    await reranker.rerank("q", [{ text: "a", embeddings: [0.5, 0.25] }, { text: "b", embeddings: [] }, { text: "c", embeddings: null }]);
    encoder.info = { ...NARROW, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => encoder));
    await (await load()).rerank("q", [{ text: "a", embeddings: [[1, 2, 3]], embeddingId: "v1-x" }]);
    expect(encoder.vectors).toEqual([[], []]);
  });

  test("what happens to the caller's arrays afterwards is nobody's concern", async () => {
    const reranker = await narrow();
    const document = { embeddings: float(1, 2) };
    const call = reranker.rerank("q", [document]);
    document.embeddings.embeddings.fill(9);
    await call;
    expect(encoder.vectors[0]![0]!.codes).toEqual(new Uint8Array(Float32Array.of(1, 2).buffer));
  });

  test("a list crosses in part where documents are left out before", async () => {
    const reranker = await load();
    const stages: Stage<{ id: string }>[] = [{ use: "given", score: ({ id }) => Number(id), keep: 2 }, { use: "late" }];
    const cross = new FakeEngine();
    cross.info = { ...INFO, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => cross), fakeModule(async () => encoder));
    const crossEncoder = await load();
    const other = await load();
    const documents = ["3", "1", "9", "5"].map((id) => ({ id, text: id }));
    await crossEncoder.rerank("q", documents, { stages: [{ use: "crossEncoder", keep: 4 }, { use: "given", score: ({ id }) => Number(id), keep: 2 }, { use: "late", model: other }], embeddings: listBytes("int8") });
    expect(encoder.vectors[0]).toMatchObject([{ codec: "int8", lengths: Uint32Array.of(5, 1), places: Uint32Array.of(0, 1) }]);
    const list = EmbeddingList.from(listBytes("int8"));
    expect(encoder.vectors[0]![0]!.codes).toEqual(new Uint8Array([2, 3].flatMap((index) => [...new Uint8Array((list.at(index)!.embeddings as Int8Array).slice().buffer)])));
    expect(cross.vectors).toEqual([[]]);
    await reranker.rerank("q", documents, { stages, embeddings: listBytes("int8") });
    expect(encoder.vectors[1]![0]!.lengths).toEqual(Uint32Array.of(3, 5, 1));
  });

  test("a list crosses as a whole where another model has put the documents in another order", async () => {
    const cross = new FakeEngine();
    cross.info = { ...INFO, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => cross), fakeModule(async () => encoder));
    const crossEncoder = await load();
    const model = await load();
    const { results } = await crossEncoder.rerank("q", ["aaaa", "b", "aa", "aaa"], { stages: [{ use: "crossEncoder" }, { use: "late", model }], embeddings: listBytes("f16") });
    expect(encoder.vectors[0]).toMatchObject([{ lengths: Uint32Array.of(3, 5, 1), places: Uint32Array.of(3, 1, 2) }]);
    expect(results.map(({ index, score }) => [index, score])).toEqual([[2, 5], [0, 3], [1, 1], [3, 1]]);
  });

  test("of several models: embeddings go to the one that they are of, and the others read the texts", async () => {
    const second = new FakeEngine();
    second.info = MODEL;
    const reranker = await narrow(fakeModule(async () => second));
    const other = await load();
    const documents = [{ text: "aaaa", embeddings: EmbeddingList.from(listBytes("f16")).at(2)! }, { text: "bb", embeddings: float(1, 0) }];
    const { results } = await reranker.rerank("q", documents, { stages: [{ use: "late" }, { use: "late", model: other }] });
    expect([encoder.vectors[0]!.map(({ dimension, places }) => [dimension, ...places]), second.vectors[0]!.map(({ dimension, places }) => [dimension, ...places])]).toEqual([[[2, 1]], [[20, 0]]]);
    expect(results.map(({ index, stages }) => [index, stages[0]!.score, stages[1]!.score])).toEqual([[0, 4, 5], [1, 1, 2]]);
  });
});

describe("a list that is handed over", () => {
  test("is copied by default, and empty afterwards with `transfer`", async () => {
    const reranker = await load();
    const bytes = listBytes("int8");
    const documents = ["a", "b", "c", "d"];
    await reranker.rerank("q", documents, { embeddings: bytes });
    expect(bytes.byteLength).toBeGreaterThan(0);
    await reranker.rerank("q", documents, { embeddings: bytes, transfer: true });
    expect(bytes.byteLength).toBe(0);
    expect(encoder.vectors[1]).toEqual(encoder.vectors[0]);
    await expect(reranker.rerank("q", documents, { embeddings: bytes })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "embeddings cannot be read: it was transferred, or is a proxy of a buffer" });
  });

  test.each([false, true])("while another call with it is on its way fails in that call alone, with a vector cache: %s", async (vectorCache) => {
    const reranker = await load({ vectorCache });
    const embeddings = listBytes("int8");
    const documents = ["a", "b", "c", "d"];
    const calls = [{ transfer: true }, {}, {}].map((more) => reranker.rerank("q", documents, { embeddings, ...more }));
    const [first, ...others] = await Promise.allSettled(calls);
    expect(first!.status).toBe("fulfilled");
    for (const other of others) expect(other).toMatchObject({ reason: { name: "RerankerError", code: "INVALID_INPUT", message: "embeddings is a list that was transferred meanwhile" } });
  });

  test("is told of by a view of it, and of a codec's bytes too", () => {
    const buffer = listBytes("int8");
    const bytes = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    expect(() => EmbeddingList.from(bytes)).toThrow("the list of embeddings is empty");
    expect(() => EmbeddingList.from(buffer)).toThrow("it was transferred");
    expect(() => ResidualCodec.from(buffer)).toThrow("it was transferred");
  });

  test("is named as what it is by a list that looks at it", async () => {
    const reranker = await load();
    const list = EmbeddingList.from(listBytes("f32"));
    const documents = ["a", "b", "c", "d"];
    await reranker.rerank("q", documents, { embeddings: list, transfer: true });
    await expect(reranker.rerank("q", documents, { embeddings: list })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "embeddings is a list of 0 documents, and documents has 4", hint: "A list that was transferred is empty." });
    // To be told that no document has any would have all of them encoded.
    expect(() => list.at(0)).toThrow("the list of embeddings is empty");
  });

  test("goes with its worker: the call is not tried again, and those beside it are", async () => {
    const dying = new FakeEngine();
    dying.info = MODEL;
    dying.beforeText = () => {
      throw new WebAssembly.RuntimeError("divide by zero");
    };
    stubWorkers(fakeModule(async () => dying), fakeModule(async () => encoder));
    const reranker = await load();
    const options = { embeddings: listBytes("int8"), transfer: true };
    const calls = [reranker.rerank("q", ["a", "b", "c", "d"], options), reranker.rerank("q", ["e"])];
    await expect(calls[0]).rejects.toMatchObject({ code: "INTERNAL" });
    expect((await calls[1]!).results).toHaveLength(1);
  });

  test("crosses for the last step of its model alone", async () => {
    const cross = new FakeEngine();
    cross.info = { ...INFO, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => encoder), fakeModule(async () => cross));
    const reranker = await load();
    const crossEncoder = await load();
    const bytes = listBytes("int8");
    await reranker.rerank("q", ["a", "b", "c", "d"], { embeddings: bytes, transfer: true, stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }], explain: true });
    expect(encoder.vectors.map((groups) => groups[0]!.codes.length)).toEqual([180, 180]);
    expect(bytes.byteLength).toBe(0);
  });
});

describe("codecs of residuals", () => {
  const documents = [{ id: "r", ...EXPECTED.lists.residual.documents[0]! }];

  test("cross once, and again to a worker that takes over", async () => {
    const reranker = await load();
    const codec = codecOf(CODEC);
    const posted = vi.spyOn(LoopWorker.prototype, "postMessage");
    const names = () => posted.mock.calls.map(([message]) => (message.type === "call" ? message.name : message.type));
    for (let call = 0; call < 3; call++) await reranker.rerank("q", documents, { codecs: [codec] });
    expect(names()).toEqual(["codec", "rerank", "rerank", "rerank"]);
    vi.spyOn(encoder, "rerank").mockRejectedValueOnce(new WebAssembly.RuntimeError("divide by zero"));
    await reranker.rerank("q", documents, { codecs: [codec] });
    expect(names().slice(4)).toEqual(["rerank", "load", "codec", "rerank"]);
    expect(workers.urls).toHaveLength(2);
    expect(encoder.vectors.at(-1)![0]!.codecId).toBe(CODEC.id);
  });

  test("of several the document's own is taken", async () => {
    const reranker = await load();
    const codecs = [codecOf({ ...CODEC, id: "r1-other" }), codecOf(CODEC)];
    await reranker.rerank("q", documents, { codecs });
    expect(encoder.vectors[0]![0]!.codecId).toBe(CODEC.id);
    await expect(reranker.rerank("q", [{ ...documents[0]!, codecId: undefined }], { codecs })).rejects.toMatchObject({ code: "MODEL_MISMATCH", message: `documents[0] (id "r"): its embeddings are of the codec that is not named, and codecs has r1-other, ${CODEC.id}` });
  });

  test.each<[string, object[], string, string]>([
    ["none", [], "INVALID_INPUT", 'documents[0] (id "r"): its embeddings are residuals, and no codec is given'],
    ["another one", [{ ...CODEC, id: "r1-other" }], "MODEL_MISMATCH", `documents[0] (id "r"): its embeddings are of the codec ${CODEC.id}, and codecs has r1-other`],
    ["one of another width", [{ ...CODEC, dimension: 24 }], "MODEL_MISMATCH", 'documents[0] (id "r"): its embeddings have 20 values, and its codec\'s 24'],
    ["one of other bits", [{ ...CODEC, nbits: 4 }], "INVALID_INPUT", 'documents[0] (id "r"): its residuals have 15 bytes; 3 rows of its codec have 30'],
    ["one of another model", [{ ...CODEC, embeddingId: "v1-b" }], "MODEL_MISMATCH", `codecs[0] is of the model v1-b, and the embeddings of ${EXPECTED.embeddingId}`],
  ])("%s is refused before any document crosses", async (_, codecs, code, message) => {
    const reranker = await load();
    await expect(reranker.rerank("q", documents, { codecs: codecs.map(codecOf) })).rejects.toMatchObject({ code, message });
    expect(encoder.asked).toEqual([]);
  });

  test("a file that is none is named, and may be tried again", async () => {
    const reranker = await load();
    const codecs = [ResidualCodec.from(new Uint8Array(9))];
    for (let call = 0; call < 2; call++) await expect(reranker.rerank("q", documents, { codecs })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "codecs[0] is none" });
    for (const codec of [null, {}, { own: () => new Uint8Array() }, new Uint8Array()]) {
      await expect(reranker.rerank("q", documents, { codecs: [codec as ResidualCodec] })).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(/^codecs\[0\] is (null|an object); expected a ResidualCodec$/) });
    }
    expect(() => ResidualCodec.from("file" as never)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", message: "the codec is a string; expected an ArrayBuffer or a Uint8Array" }));
    expect(codecOf(CODEC).bytes).toBe(JSON.stringify(CODEC).length);
  });
});

describe("embeddings of another model are refused by their document", () => {
  test.each<[string, GivenEmbeddings | object, string]>([
    ["its id", { ...float(1, 2), embeddingId: "v1-other" }, 'documents[1] (id "d"): its embeddings are of the model v1-other, and the ranking\'s is v1-narrow'],
    ["its width", [[1, 2, 3]], 'documents[1] (id "d"): its embeddings have 3 values, and the model\'s 2'],
    ["its width, given", { ...float(1, 2, 3, 4), dimension: 4 }, 'documents[1] (id "d"): its embeddings have 4 values, and the model\'s 2'],
  ])("%s", async (_, embeddings, message) => {
    const reranker = await narrow();
    const posted = vi.spyOn(LoopWorker.prototype, "postMessage");
    await expect(reranker.rerank("q", [{ text: "a" }, { id: "d", embeddings }])).rejects.toMatchObject({ code: "MODEL_MISMATCH", message, hint: expect.stringContaining("embeddingId") });
    expect(posted).not.toHaveBeenCalled();
  });

  test("a list", async () => {
    const reranker = await narrow();
    await expect(reranker.rerank("q", ["a", "b", "c", "d"], { embeddings: listBytes("f32") })).rejects.toMatchObject({ code: "MODEL_MISMATCH", message: `documents[0]: its embeddings are of the model ${EXPECTED.embeddingId}, and the ranking's is v1-narrow` });
  });
});

describe("embeddings that are none are refused by document and field", () => {
  const int8 = { codec: "int8", dimension: 2, embeddings: Int8Array.of(1, 2), scales: Float32Array.of(1) };
  const residual = { codec: "residual", dimension: 2, codes: Uint32Array.of(1), residuals: Uint8Array.of(1) };

  test.each<[string, unknown, string]>([
    ["a string", "rows", " is a string; expected an object"],
    ["another codec", { codec: "pq" }, '.codec is none of "f32", "f16", "int8", "binary", "residual"'],
    ["no width", { ...float(1, 2), dimension: 0 }, ".dimension is 0; expected a positive integer"],
    ["an id that is none", { ...float(1, 2), embeddingId: 7 }, ".embeddingId is a number; expected a string"],
    ["no rows", { codec: "int8", dimension: 2 }, ".embeddings is undefined; expected a Int8Array, base64 or an array"],
    ["half a row", float(1, 2, 3), ".embeddings has 12 bytes, which are no rows of 8"],
    ["the array of another codec", { ...int8, embeddings: Float32Array.of(1, 2) }, ".embeddings is an object; expected a Int8Array, base64 or an array"],
    ["halves as numbers", { codec: "f16", embeddings: [[1, 2]] }, ".embeddings is an array; expected a Uint16Array, base64"],
    ["no scales", { ...int8, scales: undefined }, ".scales is undefined; expected a Float32Array, base64 or an array"],
    ["a scale too many", { ...int8, scales: [1, 1] }, ".scales has 2 numbers for 1 rows"],
    ["base64 with a space", { embeddings: "AAAA AAAAAAA" }, ".embeddings is no base64"],
    ["base64 of another alphabet", { embeddings: "AAAA__--AAAA" }, ".embeddings is no base64"],
    ["base64 without its end", { embeddings: "AAAAAAAAAA" }, ".embeddings is no base64"],
    ["base64 with bits behind its end", { embeddings: "AAAAAAAAAAB=" }, ".embeddings is no base64"],
    ["base64 of half a float", { embeddings: "AAAAAAAA" }, ".embeddings has 6 bytes, which are no numbers of 4"],
    ["rows of two lengths", [[1, 2], [1]], ".embeddings[1] has 1 numbers, and its embeddings.embeddings[0] has 2"],
    ["a row that is none", [[1, 2], 7], ".embeddings[1] is a number; expected an array"],
    ["a number that is none", [[1, 2], [1, "2"]], ".embeddings[1][1] is a string; expected a finite number"],
    ["NaN", [[1, NaN]], ".embeddings[0][1] is NaN; expected a finite number"],
    ["a number beyond f32", [[1, 1e39]], ".embeddings[0][1] is 1e+39; expected a number from"],
    ["a hole", [[1, , 3]], ".embeddings[0][1] is undefined; expected a finite number"],
    ["a code that is no byte", { ...int8, embeddings: [[1, 128]] }, ".embeddings[0][1] is 128; expected a whole number from -127 to 127"],
    ["a code that is no integer", { ...int8, embeddings: [[1, 0.5]] }, ".embeddings[0][1] is 0.5; expected a whole number"],
    ["bits of another width", { codec: "binary", embeddings: [[1, 2]] }, ".embeddings has rows of 2 bytes; expected 1"],
    ["a shape of three", { embeddings_b64: "AAAA", shape: [1, 1, 1] }, ".shape has 3 entries; expected rows and dimension"],
    ["a shape that says more", { embeddings_b64: "AAAAAAAAAAA=", shape: [2, 2] }, " has 1 rows; its shape says 2"],
    ["a shape without rows", { embeddings_b64: "", shape: [0, 2] }, ".shape[0] is 0; expected a positive integer"],
    ["no shape", { embeddings_b64: "AAAA" }, ".shape is undefined; expected an array"],
    ["codes below zero", { ...residual, codes: [-1] }, ".codes[0] is -1; expected a whole number from 0 to 4294967295"],
    ["no residuals", { ...residual, residuals: undefined }, ".residuals is undefined; expected a Uint8Array, base64 or an array"],
    ["residuals for other rows", { ...residual, codes: [1, 2, 3], residuals: Uint8Array.of(1, 2) }, ".residuals has 2 numbers for 3 rows"],
    ["a length that is no memory's", Object.assign([], { length: 2 ** 32 - 1 }), ".embeddings[0] is undefined; expected an array"],
    ["a getter that throws", { get codec(): string { throw new Error("no"); } }, ".codec: reading it threw an error"],
  ])("%s", async (_, given, message) => {
    const reranker = await narrow();
    const posted = vi.spyOn(LoopWorker.prototype, "postMessage");
    const call = reranker.rerank("q", [{ id: "d" }], { embeddings: () => given as GivenEmbeddings });
    const error: { code: string; message: string } = await call.then(() => expect.fail("taken"), (reason) => reason);
    expect([error.code, error.message.replaceAll('documents[0] (id "d"): its embeddings', "its embeddings")]).toEqual(["INVALID_INPUT", expect.stringContaining(`its embeddings${message}`)]);
    expect(posted).not.toHaveBeenCalled();
  });

  test("more than may be", async () => {
    encoder.info = NARROW;
    const reranker = await load({ limits: { embeddingBytes: 24 } });
    const rows = { embeddings: [[1, 2]] };
    await reranker.rerank("q", [rows, rows, rows]);
    await expect(reranker.rerank("q", [rows, rows, rows, rows])).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: "the call's embeddings has 32 bytes; limits.embeddingBytes is 24" });
    await expect(reranker.rerank("q", [{ id: "x", embeddings: [[1, 2], [1, 2], [1, 2], [1, 2]] }])).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: 'documents[0] (id "x"): its embeddings.embeddings has 32 bytes; limits.embeddingBytes is 24' });
    const many = Array.from({ length: 1000 }, () => Object.assign([], { length: 2 ** 31 }));
    await expect(reranker.rerank("q", [{ embeddings: many }])).rejects.toMatchObject({ code: "INPUT_TOO_LARGE" });
  });

  test("a list of other documents, and what is no list", async () => {
    const reranker = await load();
    await expect(reranker.rerank("q", ["a"], { embeddings: listBytes("f32") })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "embeddings is a list of 4 documents, and documents has 1" });
    for (const embeddings of [{}, [], new ArrayBuffer(3), { own: () => ({ lengths: [1] }) }, 7, "list", null]) {
      await expect(reranker.rerank("q", ["a"], { embeddings: embeddings as ArrayBuffer })).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(/^embeddings[ :]/) });
    }
  });
});

describe("documents without a text", () => {
  const embeddings = [[1, 0]];

  test("and without embeddings are refused by their name", async () => {
    const reranker = await narrow();
    await expect(reranker.rerank("q", [{ id: "a", embeddings }, { id: "b" }])).rejects.toMatchObject({ code: "INVALID_INPUT", message: 'documents[1] (id "b").text is undefined; expected a string' });
    await expect(reranker.rerank("q", [{ id: "b", embeddings: [] }])).rejects.toMatchObject({ code: "INVALID_INPUT", message: 'documents[0] (id "b").text is undefined; expected a string' });
    await expect(reranker.rerank("q", [{ id: "b", embeddings: [[1, 0]], text: 7 as never }])).rejects.toMatchObject({ code: "INVALID_INPUT", message: 'documents[0] (id "b").text is a number; expected a string' });
  });

  test.each<[string, RerankOptions<{ id: string }>, string]>([
    ["bm25", { stages: [{ use: "late" }, { use: "bm25" }] }, 'stages[1] ("bm25") reads texts'],
    ["dense", { stages: [{ use: "dense" }] }, 'stages[0] ("dense") reads texts'],
  ])("are refused where they are read: %s", async (_, options, message) => {
    const reranker = await narrow();
    const documents = [{ id: "a", embeddings }];
    await expect(reranker.rerank("q", documents, options as RerankOptions<(typeof documents)[number]>)).rejects.toMatchObject({ code: "INVALID_INPUT", message: `documents[0] (id "a") has no text, and ${message}` });
    expect(encoder.asked).toEqual([]);
  });

  test("are refused by other models' stages, and taken by those that read none", async () => {
    const second = new FakeEngine();
    const reranker = await narrow(fakeModule(async () => second));
    const other = await load();
    const documents = [{ id: "a", embeddings }];
    await expect(reranker.rerank("q", documents, { stages: [{ use: "late" }, { use: "late", model: other }] })).rejects.toMatchObject({ message: 'documents[0] (id "a") has no text, and stages[1] ("late") reads texts' });
    const ends: RerankOptions<(typeof documents)[number]>[] = [{ explain: true }, { diversify: 0.5 }];
    for (const [call, end] of ends.entries()) {
      const { results } = await reranker.rerank("q", documents, { stages: [{ use: "given", score: () => 1 }, { use: "late" }], ...end });
      expect(results[0]).toMatchObject({ id: "a", score: 1, truncated: false });
      expect(encoder.asked[call]).toMatchObject(end);
    }
  });
});

describe("page images", () => {
  const page: DocumentEmbeddings = { embeddings: new Float32Array(12), dimension: 2, grid: [2, 3], page: [612, 792] };
  const span = (row: number) => ({ id: null, token: "", start: null, end: null, row });

  test.each<[string, () => Promise<RerankOptions<object>>, object[]]>([
    ["of their own", async () => ({}), [page, { text: "a text" }]],
    ["in a list", async () => ({ embeddings: await EmbeddingList.write([page, null]), text: () => "a text" }), [{}, {}]],
  ])("with embeddings %s are explained by their patches", async (_, optionsOf, documents) => {
    const options = await optionsOf();
    const reranker = await narrow();
    const rerank = encoder.rerank.bind(encoder);
    const match = { query: span(0), document: span(4), similarity: 1, share: 1 };
    vi.spyOn(encoder, "rerank").mockImplementation(async (...asked) => {
      const { explanations, ...rest } = await rerank(...asked);
      return { ...rest, explanations: explanations!.map((one) => ({ ...one, matches: [match] })) };
    });
    const { results } = await reranker.rerank({ embeddings: Float32Array.of(1, 0) }, documents, { ...options, explain: true });
    const matches = results.sort((a, b) => a.index - b.index).map(({ explanation }) => explanation!.matches);
    expect(matches).toEqual([[{ ...match, patch: { row: 1, column: 1, rectangle: { x: 204, y: 396, width: 204, height: 396 } } }], [match]]);
  });

  test("whose grid does not fit are named", async () => {
    const reranker = await narrow();
    const documents = [{ text: "a" }, { id: "scan", ...page, grid: [3, 3] as const }];
    const message = 'documents[1] (id "scan"): its embeddings.grid is 3 × 3, and 6 embeddings can be of patches';
    await expect(reranker.rerank("q", documents)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
  });
});

test("what the engine says of embeddings that came is told of their documents, once", async () => {
  const reranker = await load();
  encoder.rankingWarnings = [{ code: "EMBEDDINGS_RESCALED", message: "documents[1] is longer" }];
  const { warnings } = await reranker.rerank("q", [{ text: "a" }, { id: "long", text: "b" }]);
  expect(warnings).toEqual([{ code: "EMBEDDINGS_RESCALED", message: 'documents[1] (id "long") is longer' }]);
  expect(reranker.warnings.map(({ code }) => code)).not.toContain("EMBEDDINGS_RESCALED");
  const cross = new FakeEngine();
  cross.info = { ...INFO, kind: "crossEncoder" };
  stubWorkers(fakeModule(async () => cross));
  const stages: Stage<{ text: string }>[] = [{ use: "late" }, { use: "crossEncoder", model: await load() }];
  const twice = await reranker.rerank("q", [{ text: "a" }, { text: "a" }], { stages, explain: true });
  expect(twice.warnings).toHaveLength(1);
  expect(encoder.asked).toHaveLength(3);
});

describe("names", () => {
  test("stand in errors of the engine, whose list may be another", async () => {
    const cross = new FakeEngine();
    cross.info = { ...INFO, kind: "crossEncoder" };
    stubWorkers(fakeModule(async () => encoder), fakeModule(async () => cross));
    const reranker = await load();
    const crossEncoder = await load();
    vi.spyOn(cross, "rerank").mockRejectedValue(engineError("NON_FINITE", "the score of documents[0] is not finite, documents[9]"));
    const call = reranker.rerank("q", [{ id: "short", text: "a" }, { id: "long", text: "aaa" }], { stages: [{ use: "late" }, { use: "crossEncoder", model: crossEncoder }] });
    await expect(call).rejects.toMatchObject({ code: "NON_FINITE", message: 'the score of documents[1] (id "long") is not finite, documents[9]', hint: expect.any(String) });
  });

  test("of any length are shown in part, and those beyond all measure refused", async () => {
    const reranker = await load();
    await expect(reranker.rerank("q", [{ id: "x".repeat(100) }])).rejects.toMatchObject({ message: `documents[0] (id "${"x".repeat(64)}…").text is undefined; expected a string` });
    await expect(reranker.rerank("q", [{ id: "x".repeat(1025), text: "a" }])).rejects.toMatchObject({ code: "INVALID_INPUT", message: "documents[0]: its id has 1025 UTF-16 units; at most 1024 are taken" });
  });

  test("that are none count as none, unless they were asked for", async () => {
    const reranker = await load();
    const { results } = await reranker.rerank("q", [{ id: {}, text: "a" }, { id: "", text: "b" }, { id: 0, text: "c" }]);
    expect(results.map(({ id }) => id)).toEqual([undefined, undefined, "0"]);
    await expect(reranker.rerank("q", ["a"], { id: () => ({}) as string })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "documents[0]: its id is an object; expected a string or a number" });
    await expect(reranker.rerank("q", ["a"], { id: () => { throw new Error("no"); } })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "documents[0]: its id threw an error" });
  });
});
