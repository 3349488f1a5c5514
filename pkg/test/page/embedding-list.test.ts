import { describe, expect, test } from "vitest";
import { type CodecName, type DocumentEmbeddings, EmbeddingList, type GivenEmbeddings } from "../../src/index.js";
import { CODECS, EXPECTED, fixture } from "../support/vectors.js";

const listOf = (codec: CodecName) => EmbeddingList.from(fixture(`${codec}.safetensors`).buffer);

const NAMES = ["embeddings", "scales", "codes", "residuals"] as const;

/** The arrays of a document in base64, as JSON has them. */
function textual(document: DocumentEmbeddings | undefined): DocumentEmbeddings | undefined {
  if (!document) return undefined;
  const texts = NAMES.flatMap((name) => (document[name] === undefined ? [] : [[name, base64(document[name] as Float32Array)] as const]));
  return { ...document, ...Object.fromEntries(texts) };
}

function base64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return btoa(String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength)));
}

/** Header and data of a file. */
function partsOf(file: Uint8Array): { header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }> & { __metadata__: Record<string, string> }; data: Uint8Array } {
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { header: JSON.parse(new TextDecoder().decode(file.subarray(8, start))), data: file.subarray(start) };
}

/** A file with another header, or other data. */
function fileOf({ header, data }: { header: object | string; data: Uint8Array }): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

test("documents of a list have the ids that it was written with", async () => {
  const document = { embeddings: [[1]] };
  const ids = ["a.pdf:page_1", 'ümlaut "and"\nmore:page_2', ""];
  const bytes = await EmbeddingList.write([document, undefined, document], { ids });
  expect(EmbeddingList.from(bytes).ids).toEqual(ids);
  expect(EmbeddingList.from(await EmbeddingList.write([document])).ids).toBeUndefined();
  expect(EmbeddingList.from(await EmbeddingList.write([document], { ids: ["half \ud800"] })).ids).toEqual(["half \ufffd"]);
});

test("ids that are not one string a document are refused, written and read", async () => {
  const document = { embeddings: [[1]] };
  for (const ids of [["a", "b"], [], [1], "a", null, [undefined]]) {
    await expect(EmbeddingList.write([document], { ids: ids as string[] })).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(/^ids/) });
  }
  await expect(EmbeddingList.write([document], { ids: ["a".repeat(900_001)] })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  const whole = partsOf(new Uint8Array(await EmbeddingList.write([document], { ids: ["a"] })));
  for (const ids of ["", "a", "{}", "[]", "[1]", '["a","b"]']) {
    const header = { ...whole.header, __metadata__: { ...whole.header.__metadata__, ids } };
    expect(() => EmbeddingList.from(fileOf({ ...whole, header }))).toThrow(/ids in the metadata is no list of 1 strings/);
  }
});

test("pages of a list keep their grids; other documents have zeros", async () => {
  const page: DocumentEmbeddings = { embeddings: new Float32Array(6), dimension: 1, grid: [2, 3], page: [612, 792] };
  const list = EmbeddingList.from(await EmbeddingList.write([page, { embeddings: [[1]] }]));
  expect(list.at(0)).toMatchObject({ grid: [2, 3], page: [612, 792] });
  expect(list.at(1)).toMatchObject({ grid: [0, 0], page: [0, 0] });
});

test("patches of a list come first, row by row, however the page had them; then the overview's, and what is no patch", async () => {
  const rows = [100, 0, 1, 4, 5, 2, 3, 6, 7, 50, 51, 52, 53, 101];
  const mask = rows.map((value) => value < 100);
  const tiled: DocumentEmbeddings = { embeddings: Float32Array.from(rows), dimension: 1, grid: [2, 4], page: [4, 2], patches: { tile: 2, mask } };
  const list = EmbeddingList.from(await EmbeddingList.write([tiled, { embeddings: [[1]] }]));
  expect(list.at(0)).toMatchObject({ grid: [2, 4], page: [4, 2], embeddings: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 50, 51, 52, 53, 100, 101) });
  expect(list.at(1)!.embeddings).toEqual(Float32Array.of(1));
});

describe.each(CODECS)("a list in %s", (codec) => {
  test("is read as numpy wrote it", () => {
    const list = listOf(codec);
    const { length, dimension, embeddingId, codecId } = list;
    expect({ length, codec: list.codec, dimension, embeddingId, codecId }).toEqual({ length: 4, codec, dimension: 20, embeddingId: EXPECTED.embeddingId, codecId: codec === "residual" ? EXPECTED.codecId : undefined });
    const found = Array.from({ length }, (_, index) => textual(list.at(index)));
    expect(found).toEqual(EXPECTED.lists[codec].documents.map((document, index) => (EXPECTED.lengths[index] === 0 ? undefined : document)));
    expect([list.at(-1), list.at(4), list.at(0.5)]).toEqual([undefined, undefined, undefined]);
  });

  test("is looked at where it lies", () => {
    const file = fixture(`${codec}.safetensors`);
    const list = EmbeddingList.from(file);
    for (const name of NAMES) {
      const array = list.at(2)![name] as Float32Array | undefined;
      if (array) expect(array.buffer).toBe(file.buffer);
    }
  });

  test("is written as numpy writes it, from arrays and from JSON", async () => {
    const ours = async (documents: (GivenEmbeddings | undefined)[]) => partsOf(new Uint8Array(await EmbeddingList.write(documents)));
    const theirs = partsOf(fixture(`${codec}.safetensors`));
    theirs.header.__metadata__["writer"] = "tabrank";
    const list = listOf(codec);
    expect(await ours([0, 1, 2, 3].map((index) => list.at(index)))).toEqual(theirs);
    expect(await ours(EXPECTED.lists[codec].documents)).toEqual(theirs);
  });

  test("is read wherever it lies", () => {
    const file = fixture(`${codec}.safetensors`);
    for (const offset of [1, 2, 4]) {
      const within = new Uint8Array(file.length + 7);
      within.set(file, offset);
      const list = EmbeddingList.from(within.subarray(offset, offset + file.length));
      expect(textual(list.at(2))).toEqual(EXPECTED.lists[codec].documents[2]);
    }
    // A header that is no multiple of 8.
    const { header, data } = partsOf(file);
    for (const spaces of ["", " ", "  ", "   "]) expect(textual(EmbeddingList.from(fileOf({ header: JSON.stringify(header) + spaces, data })).at(3))).toEqual(EXPECTED.lists[codec].documents[3]);
  });
});

test("numbers in JSON give what arrays give", async () => {
  const rows = (flat: ArrayLike<number>, width: number) => Array.from({ length: flat.length / width }, (_, row) => Array.from({ length: width }, (_, at) => flat[row * width + at]!));
  const written = async (codec: CodecName, toRows: (document: DocumentEmbeddings) => DocumentEmbeddings) => {
    const documents = [listOf(codec).at(2)!, undefined, listOf(codec).at(0)!];
    expect(await EmbeddingList.write(documents.map((document) => document && toRows(document)))).toEqual(await EmbeddingList.write(documents));
  };
  await written("f32", (document) => ({ ...document, embeddings: rows(document.embeddings as Float32Array, 20) }));
  await written("int8", (document) => ({ ...document, embeddings: rows(document.embeddings as Int8Array, 20), scales: [...(document.scales as Float32Array)] }));
  await written("binary", (document) => ({ ...document, embeddings: rows(document.embeddings as Uint8Array, 3) }));
  // As Vespa has them: with a sign.
  await written("binary", (document) => ({ ...document, embeddings: rows(Int8Array.from(document.embeddings as Uint8Array), 3) }));
  await written("residual", (document) => ({ ...document, codes: [...(document.codes as Uint32Array)], residuals: rows(document.residuals as Uint8Array, 5) }));
});

test("pages have their grid and their size", () => {
  const { header, data } = partsOf(fixture("f32.safetensors"));
  const more = new Uint8Array([...data, ...new Uint8Array(Uint32Array.of(1, 3, 0, 0, 1, 5, 1, 1).buffer), ...new Uint8Array(Float32Array.of(10, 20, 0, 0, 30, 40, 50, 60).buffer)]);
  const end = data.length;
  const tensors = { grid: { dtype: "U32", shape: [4, 2], data_offsets: [end, end + 32] }, page: { dtype: "F32", shape: [4, 2], data_offsets: [end + 32, end + 64] } };
  const list = EmbeddingList.from(fileOf({ header: { ...header, ...tensors }, data: more }));
  expect([0, 2].map((index) => list.at(index)).map((document) => [document!.grid, document!.page])).toEqual([[[1, 3], [10, 20]], [[1, 5], [30, 40]]]);
});

describe("a list that is none", () => {
  const { header, data } = partsOf(fixture("int8.safetensors"));
  const withTensor = (name: string, tensor: unknown) => fileOf({ header: { ...header, [name]: tensor }, data });
  const withField = (field: string, value: unknown) => fileOf({ header: { ...header, __metadata__: { ...header.__metadata__, [field]: value } }, data });
  const { lengths, scales, embeddings } = header as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

  test.each<[string, unknown, string]>([
    ["nothing", undefined, "the list of embeddings is undefined; expected a list of embeddings, or its bytes in an ArrayBuffer or a Uint8Array"],
    ["floats", Float32Array.of(1), "the list of embeddings is an object; expected"],
    ["no bytes", new ArrayBuffer(0), "the list of embeddings is no list of embeddings"],
    ["JSON", new TextEncoder().encode('{"results":[]}'), "the list of embeddings is no list of embeddings"],
    ["a header that is too long", new Uint8Array(16).fill(255), "the list of embeddings is no list of embeddings"],
    ["a header that ends early", fixture("int8.safetensors").subarray(0, 60), "the list of embeddings is no list of embeddings"],
    ["a header that is no object", fileOf({ header: "null", data }), "the list of embeddings is no list of embeddings"],
    ["no metadata", fileOf({ header: { lengths }, data }), "the list of embeddings: format in the metadata is missing"],
    ["a codec's file", fixture("codec.safetensors"), 'the list of embeddings: format in the metadata is another; "tabrank-embeddings" can be read'],
    ["another version", withField("version", "2"), 'the list of embeddings: version in the metadata is another; "1" can be read'],
    ["a field that is no string", withField("version", 1), "the list of embeddings: version in the metadata is no string"],
    ["another codec", withField("codec", "pq"), 'the list of embeddings: codec in the metadata is another; "f32", "f16", "int8", "binary", "residual" can be read'],
    ["the name of a method", withField("codec", "constructor"), "the list of embeddings: codec in the metadata is another"],
    ["no width", withField("dimension", "0"), "the list of embeddings: dimension in the metadata is no positive integer"],
    ["another width", withField("dimension", "24"), "the list of embeddings: the tensor embeddings is I8 [9,20]; expected I8 [9,24]"],
    ["another codec than its tensors are of", withField("codec", "f32"), "the list of embeddings: the tensor embeddings is I8 [9,20]; expected F32 [9,20]"],
    ["residuals of nobody's", withField("codec", "residual"), "the list of embeddings: codecId is missing"],
    ["no lengths", fileOf({ header: { ...header, lengths: undefined, others: lengths }, data }), "the list of embeddings: the tensor lengths is missing"],
    ["lengths that add up to more", fileOf({ header, data: new Uint8Array([...new Uint8Array(Uint32Array.of(3, 0, 5, 0xffffffff).buffer), ...data.subarray(16)]) }), "the list of embeddings: the tensor embeddings is I8 [9,20]; expected I8 [4294967303,20]"],
    ["scales of another shape", withTensor("scales", { ...scales, shape: [9, 1] }), "the list of embeddings: the tensor scales is F32 [9,1]; expected F32 [9]"],
    ["a tensor beyond its end", withTensor("embeddings", { ...embeddings, data_offsets: [60, 240] }), 'the list of embeddings: the tensor "embeddings" does not lie in the file as its shape has it'],
    ["a tensor before its beginning", withTensor("embeddings", { ...embeddings, data_offsets: [-8, 172] }), 'the list of embeddings: the tensor "embeddings" is of no kind that can be read'],
    ["a tensor that ends before it begins", withTensor("lengths", { ...lengths, shape: [0], data_offsets: [16, 0] }), 'the list of embeddings: the tensor "lengths" does not lie in the file'],
    ["a shape that says more than the place", withTensor("embeddings", { ...embeddings, shape: [9, 21] }), 'the list of embeddings: the tensor "embeddings" does not lie in the file'],
    ["a shape beyond all numbers", withTensor("embeddings", { ...embeddings, shape: [2 ** 52, 2 ** 52, 2 ** 52] }), 'the list of embeddings: the tensor "embeddings" does not lie in the file'],
    ["offsets that are none", withTensor("embeddings", { ...embeddings, data_offsets: "52" }), 'the list of embeddings: the tensor "embeddings" is of no kind that can be read'],
    ["a tensor that is none", withTensor("embeddings", 7), 'the list of embeddings: the tensor "embeddings" is of no kind that can be read'],
    ["two tensors in one place", withTensor("more", lengths), 'the list of embeddings: the tensor "more" does not begin where the one before it ends'],
    ["a place between two tensors", withTensor("lengths", { ...lengths, shape: [3], data_offsets: [0, 12] }), 'the list of embeddings: the tensor "scales" does not begin where'],
    ["bytes behind the tensors", fileOf({ header, data: new Uint8Array([...data, 0]) }), "the list of embeddings goes on for 1 bytes behind its tensors"],
  ])("%s", (_, bytes, message) => {
    const read = () => EmbeddingList.from(bytes as ArrayBuffer);
    expect(read).toThrow(expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining(message) }));
  });

  test.each(["I64", "BF16", "F8_E4M3", "constructor"])("but for what was added since: a field, and a tensor of %s", (dtype) => {
    const added = { dtype, shape: [1], data_offsets: [data.length, data.length + 8] };
    const list = (more: object) => fileOf({ header: { ...header, __metadata__: { ...header.__metadata__, later: "x" }, added: { ...added, ...more } }, data: new Uint8Array([...data, ...new Uint8Array(8)]) });
    expect(EmbeddingList.from(list({})).at(0)).toEqual(listOf("int8").at(0));
    for (const offsets of [[data.length, data.length + 9], [data.length + 8, data.length]]) expect(() => EmbeddingList.from(list({ data_offsets: offsets }))).toThrow('the tensor "added" does not lie in the file');
  });

  test("one that was transferred", () => {
    const { buffer } = fixture("f32.safetensors");
    structuredClone(buffer, { transfer: [buffer] });
    expect(() => EmbeddingList.from(buffer)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
  });

  test("any bytes of which some were changed: it fails by name or is a list of as many documents", () => {
    const file = fixture("residual.safetensors");
    let listed = 0;
    for (let place = 0; place < file.length; place++) {
      for (const value of [0, 0x39, 0x7f, 0xff]) {
        const changed = file.slice();
        changed[place] = value;
        try {
          const list = EmbeddingList.from(changed);
          for (let index = 0; index < list.length; index++) list.at(index);
          listed++;
        } catch (error) {
          expect(error).toMatchObject({ name: "RerankerError", code: "INVALID_INPUT" });
        }
      }
    }
    expect(listed).toBeGreaterThan(100);
  });
});

describe("what is written", () => {
  const ROW = { codec: "int8", dimension: 2, embeddings: Int8Array.of(1, 2), scales: Float32Array.of(1) } as const;

  test.each<[string, GivenEmbeddings[], string]>([
    ["nothing", [], "documents has no embeddings"],
    ["two codecs", [ROW, { ...ROW, codec: "f32", embeddings: Float32Array.of(1, 2) }], "documents[1] is f32 of 2 values, or of another model than the ones before it, which are int8 of 2 values"],
    ["two widths", [ROW, { ...ROW, dimension: 1, scales: Float32Array.of(1, 1) }], "documents[1] is int8 of 1 values"],
    ["two models", [ROW, { ...ROW, embeddingId: "v1-a" }], "documents[1] is int8 of 2 values, or of another model"],
    ["a number that is none", [ROW, { ...ROW, scales: Float32Array.of(NaN) }], "documents[1] holds a number that is not finite"],
    ["an infinite one", [{ codec: "f16", dimension: 1, embeddings: Uint16Array.of(0x3c00, 0xfc00) }], "documents[0] holds a number that is not finite"],
    ["an array without a width", [{ embeddings: Float32Array.of(1, 2) }], "documents[0].dimension is missing"],
  ])("%s is refused", async (_, documents, message) => {
    await expect(EmbeddingList.write(documents)).rejects.toThrow(expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining(message) }));
  });
});
