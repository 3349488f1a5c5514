/**
 * A page's embeddings as the cache keeps them, in one array: rows, grid, size and side of a tile, in eight numbers of 32 bits; then 1 for each row that is a patch's, filled up to a
 * multiple of four; of `int8` the scales; the codes.
 */

import type { Bytes } from "../files.js";
import type { KeptCodec, PageAnswer } from "../protocol.js";
import { codeBytes } from "./rows.js";

const NUMBERS = 8;
const HEADER = NUMBERS * Uint32Array.BYTES_PER_ELEMENT;

export function packedPage({ rows, grid, page, tile = 0, patches, scales = new Float32Array(), codes }: PageAnswer): Bytes {
  const [scalesAt, codesAt] = placesOf(rows, scales.length);
  const bytes = new Uint8Array(codesAt + codes.length);
  new Uint32Array(bytes.buffer, 0, NUMBERS).set([rows, ...grid, ...page, tile]);
  bytes.set(patches, HEADER);
  new Float32Array(bytes.buffer, scalesAt, scales.length).set(scales);
  bytes.set(codes, codesAt);
  return bytes;
}

/** Undefined where the array is not what was packed. */
export function unpackedPage(bytes: Bytes, { codec, dimension }: { codec: KeptCodec; dimension: number }): PageAnswer | undefined {
  if (bytes.length < HEADER || bytes.byteOffset !== 0) return undefined;
  const [rows, gridRows, columns, width, height, tile] = new Uint32Array(bytes.buffer, 0, NUMBERS) as unknown as [number, number, number, number, number, number];
  const count = codec === "int8" ? rows : 0;
  const [scalesAt, codesAt] = placesOf(rows, count);
  if (bytes.length !== codesAt + rows * codeBytes(codec, dimension)) return undefined;
  return {
    codec,
    dimension,
    rows,
    codes: bytes.slice(codesAt),
    ...(codec === "int8" && { scales: new Float32Array(bytes.buffer.slice(scalesAt, codesAt)) }),
    grid: [gridRows, columns],
    page: [width, height],
    ...(tile > 0 && { tile }),
    patches: bytes.slice(HEADER, HEADER + rows),
  };
}

function placesOf(rows: number, scales: number): [scales: number, codes: number] {
  const scalesAt = HEADER + 4 * Math.ceil(rows / 4);
  return [scalesAt, scalesAt + scales * Float32Array.BYTES_PER_ELEMENT];
}
