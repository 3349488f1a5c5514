/**
 * A document's embeddings as the cache keeps them, one array each: the number of rows and whether its text was cut, 32 bits each; of `int8` the scales; the codes.
 * So all numbers lie at multiples of their size.
 */

import type { Bytes } from "../files.js";
import type { KeptCodec, KeptVectors, VectorGroup } from "../protocol.js";

const HEADER = 2 * Uint32Array.BYTES_PER_ELEMENT;

/** In which codec rows are, and of how many values. */
export interface Coding {
  codec: KeptCodec;
  dimension: number;
}

/** One document's. */
export interface Unpacked {
  rows: number;
  truncated: boolean;
  codes: Uint8Array;
  scales: Float32Array;
}

/** Of each text in the group, in its order. */
export function packed({ codec, dimension, lengths, codes, scales = new Float32Array(), truncated }: KeptVectors): Bytes[] {
  const rowBytes = rowBytesOf({ codec: codec as KeptCodec, dimension });
  let start = 0;
  return Array.from(lengths, (rows, text) => {
    const end = start + rows;
    const ownScales = scales.slice(start, scales.length > 0 ? end : 0);
    const ownCodes = codes.subarray(start * rowBytes, end * rowBytes);
    start = end;
    const bytes = new Uint8Array(HEADER + ownScales.byteLength + ownCodes.length);
    bytes.set(new Uint8Array(Uint32Array.of(rows, truncated[text]!).buffer));
    bytes.set(new Uint8Array(ownScales.buffer), HEADER);
    bytes.set(ownCodes, HEADER + ownScales.byteLength);
    return bytes;
  });
}

/** Views into the array; undefined where it is not what was packed. */
export function unpacked(bytes: Bytes, coding: Coding): Unpacked | undefined {
  if (bytes.length < HEADER) return undefined;
  const [rows, truncated] = new Uint32Array(bytes.buffer, bytes.byteOffset, 2) as unknown as [number, number];
  const scales = coding.codec === "int8" ? rows : 0;
  const codes = HEADER + scales * Float32Array.BYTES_PER_ELEMENT;
  if (truncated > 1 || bytes.length !== codes + rows * rowBytesOf(coding)) return undefined;
  return { rows, truncated: truncated === 1, codes: bytes.subarray(codes), scales: new Float32Array(bytes.buffer, bytes.byteOffset + HEADER, scales) };
}

/** Of the texts at these places. */
export function grouped(found: ReadonlyMap<number, Unpacked>, coding: Coding): VectorGroup {
  const documents = [...found.values()];
  const lengths = Uint32Array.from(documents, ({ rows }) => rows);
  const group = { ...coding, lengths, places: Uint32Array.from(found.keys()), codes: joined(Uint8Array, documents.map(({ codes }) => codes)) };
  return coding.codec === "int8" ? { ...group, scales: joined(Float32Array, documents.map(({ scales }) => scales)) } : group;
}

function rowBytesOf({ codec, dimension }: Coding): number {
  const sizes: Record<KeptCodec, number> = { f32: 4 * dimension, f16: 2 * dimension, int8: dimension, binary: Math.ceil(dimension / 8) };
  return sizes[codec];
}

function joined<A extends Uint8Array | Float32Array>(type: new (length: number) => A, parts: readonly A[]): A {
  const whole = new type(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
