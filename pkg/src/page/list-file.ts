/**
 * Reads and writes the file of a list of embeddings, byte by byte as `docs/vectors.md` has it: a safetensors container, whose arrays are looked at where they lie.
 * Each number that the file says is held against its size before anything is taken of it.
 */

import { headerEnd, parseObject, PREFIX } from "../safetensors.js";
import type { CodecName, DocumentEmbeddings } from "../vectors.js";
import { bytesLying, copied } from "./copies.js";
import { invalid, invalidKind, isA } from "./invalid.js";
import { ARRAYS, type ArrayKind, type ArrayName, CODECS, codeBytes, F32, rowsBetween, type StoredRows, U32 } from "./rows.js";

export const FORMAT = "tabrank-embeddings";
export const VERSION = "1";
const MAX_HEADER = 2 ** 20;
export const TRANSFERRED_HINT = "A list that was transferred is empty.";

/** What a file holds. `all`: the rows of all documents, one after the other. */
export interface ListFile {
  all: StoredRows;
  /** Rows of each document, and where the first of them is. */
  lengths: Uint32Array;
  starts: Float64Array;
  embeddingId?: string;
  tokenPooling?: string;
  ids?: readonly string[];
  /** Two numbers a document: rows and columns of patches, width and height of the page. */
  grid?: Uint32Array;
  page?: Float32Array;
}

interface Tensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** `place`: how errors name the file. A part of a larger buffer is copied, since buffers cross to the worker as a whole. */
export function fileIn(bytes: ArrayBuffer | Uint8Array, place: string): ListFile {
  if (isA(bytes, ArrayBuffer)) return readList(bytesLying(bytes, place), place);
  if (!isA(bytes, Uint8Array)) throw invalidKind(bytes, place, "a list of embeddings, or its bytes in an ArrayBuffer or a Uint8Array");
  if (bytes.buffer.byteLength === 0) throw invalid(`${place} is empty`, TRANSFERRED_HINT);
  const isWhole = isA(bytes.buffer, ArrayBuffer) && bytes.length === bytes.buffer.byteLength;
  return readList(isWhole ? bytes : copied(bytes, Uint8Array, place), place);
}

/** A document's rows, without a copy, if it has any. */
export function rowsAt({ all, lengths, starts }: ListFile, index: number): StoredRows | undefined {
  const length = lengths[index] ?? 0;
  return length === 0 ? undefined : rowsBetween(all, starts[index]!, starts[index]! + length);
}

/** What is said of a document's page image. */
export function pageAt({ grid, page }: Pick<ListFile, "grid" | "page">, index: number): Pick<DocumentEmbeddings, "grid" | "page"> {
  const pairOf = (pairs: Uint32Array | Float32Array) => [pairs[2 * index]!, pairs[2 * index + 1]!] as const;
  return { ...(grid && { grid: pairOf(grid) }), ...(page && { page: pairOf(page) }) };
}

function readList(file: Uint8Array, place: string): ListFile {
  const { fields, tensors } = readContainer(file, place);
  const { embeddingId, tokenPooling } = fields;
  const codec = wordOf(fields, "codec", CODECS, place);
  const dimension = countOf(fields, "dimension", place);
  const lengths = arrayOf(tensors, "lengths", U32, [undefined], place) as Uint32Array;
  const documents = lengths.length;
  const starts = startsOf(lengths);
  const rows = documents === 0 ? 0 : starts[documents - 1]! + lengths[documents - 1]!;
  const pairs = (name: string, kind: ArrayKind) => name in tensors && { [name]: arrayOf(tensors, name, kind, [documents, 2], place) };
  return { all: rowsOf(codec, dimension, rows, fields.codecId, tensors, place), lengths, starts, ...(embeddingId !== undefined && { embeddingId }), ...(tokenPooling !== undefined && { tokenPooling }), ...idsOf(fields, documents, place), ...pairs("grid", U32), ...pairs("page", F32) };
}

/** What the documents are called, as a list in JSON. */
function idsOf({ ids }: Record<string, string>, documents: number, place: string): Pick<ListFile, "ids"> {
  if (ids === undefined) return {};
  const list = parseJson(ids);
  if (!Array.isArray(list) || list.length !== documents || list.some((id) => typeof id !== "string")) throw invalid(`${place}: ids in the metadata is no list of ${documents} strings in JSON`);
  return { ids: list };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where each document's rows begin. */
function startsOf(lengths: Uint32Array): Float64Array {
  let end = 0;
  return Float64Array.from(lengths, (length) => (end += length) - length);
}

function rowsOf(codec: CodecName, dimension: number, rows: number, codecId: string | undefined, tensors: Record<string, Tensor>, place: string): StoredRows {
  if (codec === "residual" && codecId === undefined) throw invalid(`${place}: codecId is missing`);
  const shapes: Record<ArrayName, (number | undefined)[]> = {
    embeddings: [rows, codec === "binary" ? codeBytes(codec, dimension) : dimension],
    scales: [rows],
    codes: [rows],
    residuals: [rows, undefined],
  };
  const arrays = Object.entries(ARRAYS[codec]).map(([name, kind]) => [name, arrayOf(tensors, name, kind, shapes[name as ArrayName], place)] as const);
  const { embeddings, codes = embeddings!, ...others } = Object.fromEntries(arrays);
  return { codec, dimension, rows, codes: bytesIn(codes), ...others, ...(codecId !== undefined && { codecId }) };
}

export function bytesIn({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A tensor's numbers, looked at where they lie if they lie as they must. `shape`: undefined where any size will do. */
function arrayOf(tensors: Record<string, Tensor>, name: string, { type, dtype }: ArrayKind, shape: readonly (number | undefined)[], place: string) {
  const tensor = tensors[name];
  if (!tensor) throw invalid(`${place}: the tensor ${name} is missing`);
  const fits = tensor.dtype === dtype && tensor.shape.length === shape.length && shape.every((size, axis) => size === undefined || size === tensor.shape[axis]);
  if (!fits) throw invalid(`${place}: the tensor ${name} is ${tensor.dtype} [${tensor.shape}]; expected ${dtype} [${shape.map((size) => size ?? "*")}]`);
  const { buffer, byteOffset, byteLength } = tensor.bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? tensor.bytes : tensor.bytes.slice();
  return new type(buffer, byteOffset, byteLength / type.BYTES_PER_ELEMENT);
}

function readContainer(file: Uint8Array, place: string): { fields: Record<string, string>; tensors: Record<string, Tensor> } {
  const start = headerEnd(file);
  const header = start !== undefined && start <= Math.min(file.length, PREFIX + MAX_HEADER) ? parseObject(file.subarray(PREFIX, start)) : undefined;
  if (!header) throw invalid(`${place} is no list of embeddings: it does not begin with the header of a safetensors file`);
  const { __metadata__: metadata, ...others } = header;
  const fields = fieldsOf(metadata, place);
  const data = file.subarray(start);
  const tensors = Object.entries(others).map(([name, tensor]) => [name, tensorOf(name, tensor, data, place)] as const);
  const end = endOf(tensors, data, place);
  if (end !== data.length) throw invalid(`${place} goes on for ${data.length - end} bytes behind its tensors`);
  return { fields, tensors: Object.fromEntries(tensors) };
}

/** Where the tensors end, which lie one behind the other: a part of the data that two of them have, or none, could be read in two ways. */
function endOf(tensors: readonly (readonly [string, Tensor])[], data: Uint8Array, place: string): number {
  const inOrder = tensors.map(([name, { bytes }]) => ({ name, start: bytes.byteOffset - data.byteOffset, size: bytes.length })).sort((a, b) => a.start - b.start || a.size - b.size);
  return inOrder.reduce((end, { name, start, size }) => {
    if (start !== end) throw invalid(`${place}: the tensor ${JSON.stringify(name)} does not begin where the one before it ends`);
    return end + size;
  }, 0);
}

/** Of the version that is read. */
function fieldsOf(metadata: unknown, place: string): Record<string, string> {
  const fields = Object.entries(typeof metadata === "object" && metadata !== null ? metadata : {});
  for (const [name, value] of fields) if (typeof value !== "string") throw invalid(`${place}: ${name} in the metadata is no string`);
  const found = Object.fromEntries(fields) as Record<string, string>;
  wordOf(found, "format", [FORMAT], place);
  wordOf(found, "version", [VERSION], place);
  return found;
}

function wordOf<W extends string>(fields: Record<string, string>, name: string, words: readonly W[], place: string): W {
  const found = words.find((word) => word === fields[name]);
  if (found === undefined) throw invalid(`${place}: ${name} in the metadata is ${name in fields ? "another" : "missing"}; ${words.map((word) => `"${word}"`).join(", ")} can be read`);
  return found;
}

function countOf(fields: Record<string, string>, name: string, place: string): number {
  if (!/^[1-9]\d{0,8}$/.test(fields[name] ?? "")) throw invalid(`${place}: ${name} in the metadata is no positive integer`);
  return Number(fields[name]);
}

const SIZES: Record<string, number> = { F32: 4, U32: 4, F16: 2, I8: 1, U8: 1, BOOL: 1 };

/** Checked to lie in the data, and to take as many bytes as its shape. One of an unknown type is nothing that is read here, but for where it ends. */
function tensorOf(name: string, tensor: unknown, data: Uint8Array, place: string): Tensor {
  const { dtype, shape, data_offsets: offsets } = (tensor ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (typeof dtype !== "string" || !areCounts(shape) || !areCounts(offsets)) throw invalid(`${place}: the tensor ${JSON.stringify(name)} is of no kind that can be read`);
  const [start = NaN, end = NaN] = offsets;
  const bytes = Object.hasOwn(SIZES, dtype) ? shape.reduce((product, size) => product * size, SIZES[dtype]!) : end - start;
  if (!(start <= end && end <= data.length) || end - start !== bytes) throw invalid(`${place}: the tensor ${JSON.stringify(name)} does not lie in the file as its shape has it`);
  return { dtype, shape, bytes: data.subarray(start, end) };
}

function areCounts(values: unknown): values is number[] {
  return Array.isArray(values) && values.every((value) => Number.isSafeInteger(value) && value >= 0);
}
