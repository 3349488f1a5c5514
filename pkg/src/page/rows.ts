/** Embeddings as they are held on the page: bytes of the arrays that a codec has, with one row an embedding. */

import type { CodecName } from "../vectors.js";

/** Rows of one document or of several. Of `residual` the codes are the centroids' numbers. */
export interface StoredRows {
  codec: CodecName;
  dimension: number;
  /** How many. */
  rows: number;
  codes: Uint8Array;
  scales?: Float32Array;
  residuals?: Uint8Array;
  codecId?: string;
}

export type Numbers = Float32Array | Uint16Array | Int8Array | Uint8Array | Uint32Array;

/** A kind of array, and how files call its numbers. */
export interface ArrayKind {
  readonly type: { new (buffer: ArrayBufferLike, start?: number, length?: number): Numbers; new (numbers: number | Numbers): Numbers; readonly BYTES_PER_ELEMENT: number; readonly name: string };
  readonly dtype: string;
}

export const F32: ArrayKind = { type: Float32Array, dtype: "F32" };
export const U32: ArrayKind = { type: Uint32Array, dtype: "U32" };
const F16: ArrayKind = { type: Uint16Array, dtype: "F16" };
const I8: ArrayKind = { type: Int8Array, dtype: "I8" };
const U8: ArrayKind = { type: Uint8Array, dtype: "U8" };

export type ArrayName = "embeddings" | "scales" | "codes" | "residuals";

/** The arrays of each codec: the first holds `codes` of {@link StoredRows}. */
export const ARRAYS: Record<CodecName, Partial<Record<ArrayName, ArrayKind>>> = {
  f32: { embeddings: F32 },
  f16: { embeddings: F16 },
  int8: { embeddings: I8, scales: F32 },
  binary: { embeddings: U8 },
  residual: { codes: U32, residuals: U8 },
};

export const CODECS = Object.keys(ARRAYS) as CodecName[];

/** Bytes of a row's codes. */
export function codeBytes(codec: CodecName, dimension: number): number {
  return { f32: 4 * dimension, f16: 2 * dimension, int8: dimension, binary: Math.ceil(dimension / 8), residual: 4 }[codec];
}

/** Some of them, by their places, without a copy. */
export function rowsBetween(all: StoredRows, start: number, end: number): StoredRows {
  const { codec, dimension, codes, scales, residuals, codecId } = all;
  const width = codeBytes(codec, dimension);
  const residualBytes = residuals ? residuals.length / Math.max(all.rows, 1) : 0;
  return {
    codec,
    dimension,
    rows: end - start,
    codes: codes.subarray(start * width, end * width),
    ...(scales && { scales: scales.subarray(start, end) }),
    ...(residuals && { residuals: residuals.subarray(start * residualBytes, end * residualBytes) }),
    ...(codecId !== undefined && { codecId }),
  };
}
