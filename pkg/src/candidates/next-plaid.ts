/** Documents of next-plaid's server: for each query their ids, scores and metadata in columns. */

import type { Candidates, Reading } from "./shared/candidates.js";
import { columnar, type ColumnFields, withEntry } from "./shared/columns.js";
import { fieldOf, idIn, numberIn, requireList, requireRecord } from "./shared/fields.js";
import { withField } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** The answers to one query. */
export interface NextPlaidResult {
  document_ids: readonly number[];
  scores: readonly number[];
  metadata?: readonly unknown[] | null;
}

/** What a search gives. */
export interface NextPlaidResponse {
  results: readonly NextPlaidResult[];
}

type Metadata<R> = R extends { results: readonly { metadata?: infer M }[] } ? (NonNullable<M> extends readonly (infer N)[] ? N : unknown) : unknown;

/** A document, made of the columns. */
export interface NextPlaidHit<M = unknown> {
  id: number;
  score: number;
  metadata?: M;
}

export interface NextPlaidOptions<Hit> {
  /** Of the metadata; `text`. */
  text?: TextOption<Hit>;
  /** Which of several queries, from 0; 0. */
  query?: number;
}

const FIELDS: ColumnFields = { document_ids: "id", scores: "score", metadata: "metadata" };

/**
 * Text: `metadata.text`. Id: `id`. Score: `score`. Embeddings: none, as a search sends none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromNextPlaid<R extends NextPlaidResponse>(response: R, options: NextPlaidOptions<NextPlaidHit<Metadata<R>>> = {}): Candidates<NextPlaidHit<Metadata<R>>, R> {
  const { query = 0 } = options;
  const results: unknown = fieldOf(response, "results");
  requireList(results, "response.results");
  const result = results[query];
  requireRecord(result, `response.results[${query}]`);
  const reading: Reading<NextPlaidHit<Metadata<R>>> = {
    ...textReading(options.text, "metadata"),
    id: (document, place) => idIn(document, "id", place),
    score: (document, place) => numberIn(document, "score", place),
  };
  const columnOf = (name: string) => ({ name, place: `response.results[${query}].${name}`, list: fieldOf(result, name) });
  return columnar(FIELDS, columnOf, reading, (lists) => {
    const ordered = lists.reduce((answer, [name, list]) => withField(answer, name, list), result);
    return withField(response, "results", withEntry(results, query, ordered));
  });
}
