/** Rows of several documents: are they of one kind, and what do they take together? */

import { joinedArrays } from "./joined-arrays.js";
import type { StoredRows } from "./rows.js";

/** What rows have to have in common to be put together. */
export function kindOfRows({ codec, dimension, codecId = "", residuals, rows }: StoredRows): string {
  return `${codec} of ${dimension} values${residuals ? ` in ${residuals.length / rows} bytes by ${codecId}` : ""}`;
}

/** Bytes of all arrays. */
export function bytesOfRows({ codes, scales, residuals }: StoredRows): number {
  return codes.byteLength + (scales?.byteLength ?? 0) + (residuals?.byteLength ?? 0);
}

/** Whether all numbers are, as readers want them. */
export function areFinite({ codec, codes, scales }: StoredRows): boolean {
  if (codec === "f32") return new Float32Array(codes.buffer, codes.byteOffset, codes.length / 4).every(Number.isFinite);
  if (codec === "f16") return new Uint16Array(codes.buffer, codes.byteOffset, codes.length / 2).every((bits) => (bits & 0x7c00) !== 0x7c00);
  return scales?.every(Number.isFinite) ?? true;
}

/** The rows of several documents, one after the other, in arrays of their own. There is one at least, and all are of one kind. */
export function joinedRows(documents: readonly StoredRows[]): StoredRows {
  const [{ codec, dimension, codecId, scales, residuals }] = documents as [StoredRows];
  return {
    codec,
    dimension,
    rows: documents.reduce((sum, { rows }) => sum + rows, 0),
    codes: joinedArrays(Uint8Array, documents.map(({ codes }) => codes)),
    ...(scales && { scales: joinedArrays(Float32Array, documents.map((one) => one.scales!)) }),
    ...(residuals && { residuals: joinedArrays(Uint8Array, documents.map((one) => one.residuals!)) }),
    ...(codecId !== undefined && { codecId }),
  };
}
