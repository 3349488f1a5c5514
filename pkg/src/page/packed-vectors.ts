/**
 * A document's embeddings as the cache keeps them, one array each: the number of rows and whether its text was cut, 32 bits each; of `int8` the scales; the codes.
 * So all numbers lie at multiples of their size.
 */

import type { Bytes } from "../files.js";
import type { KeptCodec, KeptVectors, VectorGroup } from "../protocol.js";
import { joinedRows } from "./row-lists.js";
import { codeBytes, rowsBetween, type StoredRows } from "./rows.js";

const HEADER = 2 * Uint32Array.BYTES_PER_ELEMENT;

/** In which codec rows are, and of how many values. */
export interface Coding {
  codec: KeptCodec;
  dimension: number;
}

/** One document's. */
export interface Unpacked extends StoredRows {
  truncated: boolean;
}

/** Of each text in the group, in its order. */
export function packed({ lengths, truncated, ...group }: KeptVectors): Bytes[] {
  const all = { ...group, rows: lengths.reduce((sum, length) => sum + length, 0) };
  let end = 0;
  return Array.from(lengths, (length, text) => packedOne(rowsBetween(all, end, (end += length)), truncated[text]!));
}

function packedOne({ rows, codes, scales = new Float32Array() }: StoredRows, truncated: number): Bytes {
  const start = HEADER + scales.byteLength;
  const bytes = new Uint8Array(start + codes.length);
  new Uint32Array(bytes.buffer, 0, 2).set([rows, truncated]);
  new Float32Array(bytes.buffer, HEADER, scales.length).set(scales);
  bytes.set(codes, start);
  return bytes;
}

/** Views into the array; undefined where it is not what was packed. */
export function unpacked(bytes: Bytes, { codec, dimension }: Coding): Unpacked | undefined {
  if (bytes.length < HEADER || bytes.byteOffset !== 0) return undefined;
  const [rows, truncated] = new Uint32Array(bytes.buffer, 0, 2) as unknown as [number, number];
  const scales = codec === "int8" ? rows : 0;
  const start = HEADER + scales * Float32Array.BYTES_PER_ELEMENT;
  if (truncated > 1 || bytes.length !== start + rows * codeBytes(codec, dimension)) return undefined;
  return { codec, dimension, rows, truncated: truncated === 1, codes: bytes.subarray(start), ...(codec === "int8" && { scales: new Float32Array(bytes.buffer, HEADER, scales) }) };
}

/** Of the texts at these places, of which there is one at least. */
export function grouped(found: ReadonlyMap<number, Unpacked>): VectorGroup {
  const documents = [...found.values()];
  const { rows: _, ...all } = joinedRows(documents);
  return { ...all, lengths: Uint32Array.from(documents, ({ rows }) => rows), places: Uint32Array.from(found.keys()) };
}
