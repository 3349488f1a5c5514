/** Reads the embeddings that one document brings along, in any of their forms, into arrays of our own. */

import type { Limits } from "../types.js";
import type { DocumentEmbeddings, GivenEmbeddings, ShapedEmbeddings } from "../vectors.js";
import { bytesOf } from "./base64.js";
import { checked, kind, word } from "./checks.js";
import { copied } from "./copies.js";
import { lengthOf, readField, requireCount, requireKind } from "./input.js";
import { invalid, invalidKind, isA, isArray, read } from "./invalid.js";
import { areNumbers, flatRows, numbersOf } from "./number-rows.js";
import { type PageFields, type Patches, patchesOf } from "./patches.js";
import { type ArrayKind, type ArrayName, ARRAYS, CODECS, codeBytes, type Numbers, type StoredRows } from "./rows.js";

/** One document's rows, and whose they are. */
export interface GivenRows extends StoredRows {
  embeddingId?: string;
  /** Of a page image. */
  patches?: Patches;
}

/** How errors name the embeddings, what is allowed, and the width that a model's rows have where they do not say it. */
export interface Reading {
  place: string;
  limits: Limits;
  dimensionOf(embeddingId: string | undefined, place: string): number | undefined;
}

interface Fields extends Omit<DocumentEmbeddings, keyof PageFields> {
  /** How many there have to be. */
  rows?: number;
}

/** A number a row, of these: else there are as many as the width has it. */
const SINGLE: readonly string[] = ["scales", "codes"];

const NAMES = { codec: word(...CODECS), dimension: requireCount(1), embeddingId: kind("string"), codecId: kind("string") };

/** Undefined where there are no rows. */
export function rowsGiven(given: GivenEmbeddings | null | undefined, reading: Reading): GivenRows | undefined {
  if (given === null || given === undefined) return undefined;
  const { place, limits } = reading;
  const fields = fieldsOf(given, place);
  const { codec = "f32", embeddingId, codecId } = fields;
  const arrays = Object.entries(ARRAYS[codec]).map(([name, kind]) => ({ name, ...arrayOf(fields[name as ArrayName], name, kind, place, limits) }));
  const [codes, more] = arrays as [(typeof arrays)[number], (typeof arrays)[number] | undefined];
  const dimension = fields.dimension ?? (codec === "binary" ? undefined : codes.width) ?? reading.dimensionOf(embeddingId, place);
  if (dimension === undefined) throw invalid(`${place}.dimension is missing`);
  const rows = rowCount(codes, codeBytes(codec, dimension), `${place}.${codes.name}`);
  if (fields.rows !== undefined && rows !== fields.rows) throw invalid(`${place} has ${rows} rows; its shape says ${fields.rows}`);
  if (more) requireFor(rows, more, `${place}.${more.name}`);
  if (rows === 0) return undefined;
  const patches = isRecord(given) ? patchesOf(given, rows, place) : undefined;
  const ids = { ...(embeddingId !== undefined && { embeddingId }), ...(codecId !== undefined && { codecId }) };
  return { codec, dimension, rows, codes: new Uint8Array(codes.numbers.buffer), ...(more && { [more.name]: more.numbers }), ...(patches && { patches }), ...ids };
}

/** Rows alone say nothing of a page. */
function isRecord(given: GivenEmbeddings): given is DocumentEmbeddings {
  return !isArray(given);
}

/** Each is read once. */
function fieldsOf(given: GivenEmbeddings, place: string): Fields {
  if (isArray(given)) return { embeddings: given };
  requireKind("object", given, place);
  const text = readField(given as ShapedEmbeddings, "embeddings_b64", `${place}.embeddings_b64`);
  if (text !== undefined) return { embeddings: text, ...shapeOf(read(given as ShapedEmbeddings, "shape", `${place}.shape`), `${place}.shape`) };
  const fields: Fields = checked<object>(given, NAMES, `${place}.`, readField);
  for (const name of Object.keys(ARRAYS[fields.codec ?? "f32"]) as ArrayName[]) Object.assign(fields, { [name]: readField(given as DocumentEmbeddings, name, `${place}.${name}`) });
  return fields;
}

function shapeOf(shape: readonly number[], place: string): Pick<Fields, "rows" | "dimension"> {
  if (lengthOf(shape, place) !== 2) throw invalid(`${place} has ${shape.length} entries; expected rows and dimension`);
  const [rows, dimension] = [0, 1].map((axis) => {
    const size = read(shape, axis, `${place}[${axis}]`);
    requireCount(1)(size, `${place}[${axis}]`);
    return size;
  }) as [number, number];
  return { rows, dimension };
}

/** `width`: numbers of a row, where they came in rows. */
function arrayOf(value: unknown, name: string, kind: ArrayKind, path: string, limits: Limits): { numbers: Numbers; width?: number } {
  const place = `${path}.${name}`;
  if (typeof value === "string") return { numbers: decoded(value, kind, place) };
  if (isA<Numbers>(value, kind.type)) return { numbers: copied<Numbers>(value, kind.type, place) };
  if (!isArray(value) || !areNumbers(kind)) throw invalidKind(value, place, `a ${kind.type.name}, base64${areNumbers(kind) ? " or an array" : ""}`);
  return SINGLE.includes(name) ? { numbers: numbersOf(value as number[], kind, place, limits) } : flatRows(value as number[][], kind, place, limits);
}

function decoded(text: string, { type }: ArrayKind, place: string): Numbers {
  const bytes = bytesOf(text);
  if (!bytes) throw invalid(`${place} is no base64`);
  if (bytes.length % type.BYTES_PER_ELEMENT !== 0) throw invalid(`${place} has ${bytes.length} bytes, which are no numbers of ${type.BYTES_PER_ELEMENT}`);
  return new type(bytes.buffer);
}

function rowCount({ numbers, width }: { numbers: Numbers; width?: number }, rowBytes: number, place: string): number {
  const isOther = width !== undefined && width * numbers.BYTES_PER_ELEMENT !== rowBytes;
  if (isOther) throw invalid(`${place} has rows of ${width * numbers.BYTES_PER_ELEMENT} bytes; expected ${rowBytes}`);
  if (numbers.byteLength % rowBytes !== 0) throw invalid(`${place} has ${numbers.byteLength} bytes, which are no rows of ${rowBytes}`);
  return numbers.byteLength / rowBytes;
}

/** As many as there are rows; of residuals that is seen where the codec is known. */
function requireFor(rows: number, { name, numbers }: { name: string; numbers: Numbers }, place: string): void {
  const fits = name === "scales" ? numbers.length === rows : rows === 0 ? numbers.length === 0 : numbers.length % rows === 0;
  if (!fits) throw invalid(`${place} has ${numbers.length} numbers for ${rows} rows`);
}
