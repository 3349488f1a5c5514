/** Which of a hit's vectors are embeddings: those with a row for each token. One vector for the whole document is no late interaction's. */

import type { DocumentEmbeddings, GivenEmbeddings, Rows } from "../../index.js";
import { fieldOf, invalid, invalidKind, isRecord } from "./fields.js";

export interface VectorOptions extends NamedVectorOptions {
  /** The name of the vectors that are a hit's embeddings, or `false` for none. By default those with a row for each token, if they are the only ones. */
  vector?: string | false;
}

/** Where nothing but its name tells a vector from other data. */
export interface NamedVectorOptions {
  /** The field that holds a hit's embeddings. None by default: the text is encoded. */
  vector?: string | false;
  /** `embeddingId` of the model that made them, held against that of the one that reranks. Without it their width alone is. */
  embeddingId?: string;
}

/** `vectors`: a hit's, either one or by their names, at `place`. */
export function embeddingsOf(vectors: unknown, place: string, { vector, embeddingId }: VectorOptions): GivenEmbeddings | undefined {
  if (typeof vector === "string") return namedEmbeddings(vectors, place, { vector, ...(embeddingId !== undefined && { embeddingId }) });
  return vector === false ? undefined : owned(onlyRows(vectors, place), embeddingId);
}

type Embeddings = Rows | DocumentEmbeddings;

/** `fields`: a hit's, at `place`. `taken`: what the named one's value is taken for. */
export function namedEmbeddings(fields: unknown, place: string, { vector = false, embeddingId }: NamedVectorOptions, taken: (value: unknown, place: string) => Embeddings = requireRows): GivenEmbeddings | undefined {
  const value = vector === false ? undefined : fieldOf(fields, vector);
  return value === undefined ? undefined : owned(taken(value, `${place}.${vector}`), embeddingId);
}

function owned(given: Embeddings | undefined, embeddingId: string | undefined): GivenEmbeddings | undefined {
  if (given === undefined || embeddingId === undefined) return given;
  return isRecord(given) ? { ...given, embeddingId } : { embeddings: given, embeddingId };
}

function onlyRows(vectors: unknown, place: string): Rows | undefined {
  if (isRows(vectors)) return vectors;
  if (!isRecord(vectors)) return undefined;
  const named = Object.values(vectors).filter(isRows);
  if (named.length > 1) throw invalid(`${place} has ${named.length} vectors with a row for each token`, "Name the one to score by with the option `vector`.");
  return named[0];
}

export function requireRows(value: unknown, place: string): Rows {
  if (isRows(value)) return value;
  throw invalidKind(value, place, "rows of numbers, one for each token");
}

export function isRows(value: unknown): value is Rows {
  return Array.isArray(value) && Array.isArray(value[0]);
}
