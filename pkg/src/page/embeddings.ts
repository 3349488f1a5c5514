/** Checks embeddings that a caller gives, and copies them: what happens to the caller's own buffers afterwards is nobody's concern. */

import type { Embeddings, Limits } from "../types.js";
import { copied } from "./copies.js";
import { requireCount, requireFinite, requireKind, tooLarge } from "./input.js";
import { invalid, read } from "./invalid.js";

/** Rows of one text. */
export function copyOfRows(values: unknown, place: string): Float32Array<ArrayBuffer> {
  const copy = copied(values, Float32Array, place);
  if (copy.length === 0) throw invalid(`${place} is empty`);
  requireAllFinite(copy, place);
  return copy;
}

/** One text's rows as those of a list. */
export function copyOfOne(values: unknown, place: string, dimension: number): Embeddings {
  const rows = copyOfRows(values, place);
  requireWholeRows(rows, dimension, place);
  return { values: rows, lengths: Uint32Array.of(rows.length / dimension), dimension };
}

export function copyOfEmbeddings(embeddings: Embeddings, place: string, limits: Limits): Embeddings {
  requireKind("object", embeddings, place);
  const dimension: number = read(embeddings, "dimension", `${place}.dimension`);
  requireCount(1)(dimension, `${place}.dimension`);
  const lengths = copied(read(embeddings, "lengths", `${place}.lengths`), Uint32Array, `${place}.lengths`);
  if (lengths.length > limits.documents) throw tooLarge(place, lengths.length, "texts", limits.documents, "documents");
  const values = copied(read(embeddings, "values", `${place}.values`), Float32Array, `${place}.values`);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  if (rows * dimension !== values.length) throw invalid(`${place}.values has ${values.length} values; ${place}.lengths says ${rows} rows of ${dimension}`);
  return { values, lengths, dimension };
}

/** Of queries, which are few: of documents' values the engine tells, without holding the page up. */
export function requireAllFinite(values: Float32Array, place: string): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) requireFinite(values[index], `${place}[${index}]`);
}

/** `dimension`: values of a row. */
export function requireWholeRows(rows: Float32Array, dimension: number, place: string): void {
  if (rows.length % dimension !== 0) throw invalid(`${place} has ${rows.length} values, which are no rows of ${dimension}`);
}
