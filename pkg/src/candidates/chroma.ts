/** Records of Chroma, as its client or its REST interface gives them: in columns, for each query one of each. */

import type { Candidates, Reading } from "./shared/candidates.js";
import { columnar, type ColumnFields, entryOf, withEntry } from "./shared/columns.js";
import { fieldOf, idIn, numberIn, requireRecord, scoreFrom } from "./shared/fields.js";
import { withField } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What `query`, `search` and `get` give. */
export interface ChromaResponse {
  ids: readonly (readonly string[])[] | readonly string[];
  documents?: unknown;
  metadatas?: unknown;
  distances?: unknown;
  scores?: unknown;
}

type Metadata<R> = R extends { metadatas: readonly (infer M)[] } ? (NonNullable<M> extends readonly (infer N)[] ? N : M) : unknown;

/** A record, made of the columns. What was not asked for is not there. */
export interface ChromaHit<M = unknown> {
  id: string;
  document?: string | null;
  metadata?: M | null;
  distance?: number | null;
  score?: number | null;
  embedding?: number[] | null;
  uri?: string | null;
}

export interface ChromaOptions<Hit> {
  /** Of the record; `document`. */
  text?: TextOption<Hit>;
  /** Which of several queries, from 0; 0. */
  query?: number;
}

const FIELDS: ColumnFields = { ids: "id", documents: "document", metadatas: "metadata", distances: "distance", scores: "score", embeddings: "embedding", uris: "uri" };

/**
 * Text: `document`. Id: `id`. Score: `distance` of `query`, else `score` of `search`, which is the better the less it is as well: both with their
 * sign turned. Embeddings: none, as Chroma has one vector for a record.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromChroma<R extends ChromaResponse>(response: R, options: ChromaOptions<ChromaHit<Metadata<R>>> = {}): Candidates<ChromaHit<Metadata<R>>, R> {
  requireRecord(response, "response");
  const { query = 0 } = options;
  const isNested = Array.isArray(entryOf(fieldOf(response, "ids"), 0));
  const columnOf = (name: string) => {
    const list = fieldOf(response, name);
    return isNested ? { name, place: `response.${name}[${query}]`, list: entryOf(list, query) } : { name, place: `response.${name}`, list };
  };
  const withList = (answer: R, name: string, list: readonly unknown[]): R => withField(answer, name, isNested ? withEntry(fieldOf(answer, name) as unknown[], query, list) : list);
  const reading: Reading<ChromaHit<Metadata<R>>> = {
    ...textReading(options.text ?? "document"),
    id: (record, place) => idIn(record, "id", place),
    score: (record, place) => scoreFrom(numberIn(record, "distance", place) ?? numberIn(record, "score", place), true),
  };
  return columnar(FIELDS, columnOf, reading, (lists) => lists.reduce((answer, [name, list]) => withList(answer, name, list), response));
}
