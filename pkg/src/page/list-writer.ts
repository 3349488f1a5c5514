/** Writes the file of a list of embeddings, as `list-file.ts` reads it. */

import { PREFIX } from "../safetensors.js";
import type { GivenEmbeddings, WriteListOptions } from "../vectors.js";
import { checked, type Checks } from "./checks.js";
import { type GivenRows, rowsGiven } from "./given-embeddings.js";
import { DEFAULT_LIMITS, itemsOf, requireKind } from "./input.js";
import { invalid } from "./invalid.js";
import { bytesIn, FORMAT, type ListFile, VERSION } from "./list-file.js";
import { areFinite, joinedRows, kindOfRows } from "./row-lists.js";
import { ARRAYS, type ArrayKind, codeBytes, rowsBetween } from "./rows.js";

/** No model is asked, nor is anything sent. */
const READING = { limits: { ...DEFAULT_LIMITS, embeddingBytes: Infinity }, dimensionOf: () => undefined };

const WRITE: Checks<WriteListOptions> = { ids: () => {} };

/** Bytes of all ids in the header, so that all else has room in it. */
const MOST_IDS = 900_000;

/** The file of these documents' embeddings. */
export function writeEmbeddings(documents: readonly (GivenEmbeddings | null | undefined)[], options: WriteListOptions): ArrayBuffer {
  const given = itemsOf(documents, "documents", Infinity, (document, place) => patchesFirst(rowsGiven(document, { place, ...READING })));
  const there = given.filter((rows) => rows !== undefined);
  const [first] = there;
  if (!first) throw invalid("documents has no embeddings");
  const other = given.findIndex((rows) => rows && (kindOfRows(rows) !== kindOfRows(first) || rows.embeddingId !== first.embeddingId));
  if (other >= 0) throw invalid(`documents[${other}] is ${kindOfRows(given[other]!)}, or of another model than the ones before it, which are ${kindOfRows(first)}`);
  const infinite = given.findIndex((rows) => rows && !areFinite(rows));
  if (infinite >= 0) throw invalid(`documents[${infinite}] holds a number that is not finite`);
  const { embeddingId } = first;
  const ids = idsGiven(options, given.length);
  return writeList({ all: joinedRows(there), lengths: Uint32Array.from(given, (rows) => rows?.rows ?? 0), ...pagesOf(given), ...(embeddingId !== undefined && { embeddingId }), ...(ids && { ids }) }).buffer;
}

/** What the documents are called. */
function idsGiven(options: WriteListOptions, documents: number): string[] | undefined {
  const { ids } = checked(options, WRITE);
  if (ids === undefined) return undefined;
  const given = itemsOf(ids, "ids", Infinity, (id, place) => {
    requireKind("string", id, place);
    return wellFormed(id);
  });
  if (given.length !== documents) throw invalid(`ids has ${given.length} entries, of ${documents} documents`);
  // They stand in the header, which ends there.
  if (utf8(JSON.stringify(JSON.stringify(given))) > MOST_IDS) throw invalid("ids take more than 900,000 bytes in JSON, which a list has no room for", "Write several lists.");
  return given;
}

/** Half a pair of surrogates is no text, and other readers refuse it: it becomes U+FFFD. */
const wellFormed = (text: string) => new TextDecoder().decode(new TextEncoder().encode(text));

const utf8 = (text: string) => new TextEncoder().encode(text).length;

/** In a list a page's patches come first, row by row; then those of the overview, and what is no patch. No score depends on it. */
function patchesFirst(rows: GivenRows | undefined): GivenRows | undefined {
  if (!rows?.patches || rows.patches.areFirst) return rows;
  const { inOrder } = rows.patches;
  const patches = new Set(inOrder);
  const others = Array.from({ length: rows.rows }, (_, row) => row).filter((row) => !patches.has(row));
  return { ...rows, ...joinedRows([...inOrder, ...others].map((row) => rowsBetween(rows, row, row + 1))) };
}

/** Two numbers a document, zeros for one that is no page image, if there is such a one. */
function pagesOf(given: readonly (GivenRows | undefined)[]): Pick<ListFile, "grid" | "page"> {
  const patches = given.map((rows) => rows?.patches);
  if (patches.every((one) => one === undefined)) return {};
  const pairs = (name: "grid" | "page") => patches.flatMap((one) => one?.[name] ?? [0, 0]);
  return { grid: Uint32Array.from(pairs("grid")), page: Float32Array.from(pairs("page")) };
}

/** The file's bytes. */
function writeList({ all, lengths, embeddingId, tokenPooling, ids, grid, page }: Omit<ListFile, "starts">): Uint8Array<ArrayBuffer> {
  const { codec, dimension, rows, codes, scales, residuals, codecId } = all;
  const width = codec === "residual" ? [] : [codec === "binary" ? codeBytes(codec, dimension) : dimension];
  const parts: [name: string, dtype: string, shape: number[], array: ArrayBufferView][] = [["lengths", "U32", [lengths.length], lengths]];
  if (grid) parts.push(["grid", "U32", [lengths.length, 2], grid]);
  if (page) parts.push(["page", "F32", [lengths.length, 2], page]);
  if (scales) parts.push(["scales", "F32", [rows], scales]);
  const [[name, { dtype }]] = Object.entries(ARRAYS[codec]) as [[string, ArrayKind]];
  parts.push([name, dtype, [rows, ...width], codes]);
  if (residuals) parts.push(["residuals", "U8", [rows, residuals.length / Math.max(rows, 1)], residuals]);
  const metadata = { format: FORMAT, version: VERSION, codec, dimension: String(dimension), embeddingId, codecId, tokenPooling, ids: ids && JSON.stringify(ids), writer: "tabrank" };
  return container(metadata, parts);
}

/** `parts`: those of wide numbers come first, so that all lie at a multiple of their number's size. */
function container(metadata: object, parts: readonly (readonly [name: string, dtype: string, shape: number[], array: ArrayBufferView])[]): Uint8Array<ArrayBuffer> {
  let end = 0;
  const tensors = parts.map(([name, dtype, shape, { byteLength }]) => [name, { dtype, shape, data_offsets: [end, (end += byteLength)] }] as const);
  const text = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) }));
  const start = PREFIX + Math.ceil(text.length / PREFIX) * PREFIX;
  const file = new Uint8Array(start + end).fill(0x20, 0, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - PREFIX), true);
  file.set(text, PREFIX);
  parts.forEach(([, , , array], place) => file.set(bytesIn(array), start + tensors[place]![1].data_offsets[0]!));
  return file;
}
