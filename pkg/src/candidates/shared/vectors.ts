/** Which of a hit's vectors are embeddings: those with a row for each token. One vector for the whole document is no late interaction's. */

import type { GivenEmbeddings, Rows } from "../../index.js";
import { fieldOf, invalid, invalidKind, isRecord } from "./fields.js";

export interface VectorOptions {
  /** The name of the vectors that are a hit's embeddings, or `false` for none. By default those with a row for each token, if they are the only ones. */
  vector?: string | false;
  /** Of the model that made them; held against the one that reranks. Without it their width alone is. */
  embeddingId?: string;
}

/** `vectors`: a hit's, either one or by their names, at `place`. */
export function embeddingsOf(vectors: unknown, place: string, { vector, embeddingId }: VectorOptions): GivenEmbeddings | undefined {
  const rows = vector === false ? undefined : vector === undefined ? onlyRows(vectors, place) : namedRows(vectors, vector, place);
  if (rows === undefined || embeddingId === undefined) return rows;
  return { embeddings: rows, embeddingId };
}

function onlyRows(vectors: unknown, place: string): Rows | undefined {
  if (isRows(vectors)) return vectors;
  if (!isRecord(vectors)) return undefined;
  const named = Object.values(vectors).filter(isRows);
  if (named.length > 1) throw invalid(`${place} has ${named.length} vectors with a row for each token`, "Name the one to score by with the option `vector`.");
  return named[0];
}

function namedRows(vectors: unknown, name: string, place: string): Rows | undefined {
  const rows = fieldOf(vectors, name);
  if (rows === undefined || isRows(rows)) return rows;
  throw invalidKind(rows, `${place}.${name}`, "rows of numbers, one for each token");
}

function isRows(value: unknown): value is Rows {
  return Array.isArray(value) && Array.isArray(value[0]);
}
