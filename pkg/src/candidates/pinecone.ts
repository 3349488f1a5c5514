/** Matches of Pinecone, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { idIn, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a match of `query`. */
export interface PineconeMatch {
  id: string;
  score?: number;
  metadata?: object;
}

/** What is read of a hit of `searchRecords`. */
export interface PineconeHit {
  _id: string;
  _score: number;
  fields: object;
}

export type PineconeResponse = { matches: readonly PineconeMatch[] } | { result: { hits: readonly PineconeHit[] } };

export type PineconeHitOf<R> = R extends { matches: readonly (infer M extends PineconeMatch)[] } ? M : R extends { result: { hits: readonly (infer H extends PineconeHit)[] } } ? H : never;

export interface PineconeOptions<Hit> {
  /** Of the metadata, or of the fields of `searchRecords`; `text`. */
  text?: TextOption<Hit>;
  /** The index's metric is `euclidean`, so that the least score is the best. Off by default. */
  distances?: boolean;
}

/**
 * Text: `metadata.text`, of `query` with `includeMetadata: true`, or `fields.text`. Id: `id`, `_id`. Score: `score`, `_score`. Embeddings: none, as `values` is one
 * vector for the whole record.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromPinecone<R extends PineconeResponse>(response: R, options: PineconeOptions<PineconeHitOf<R>> = {}): Candidates<PineconeHitOf<R>, R> {
  return listed(response, [["matches"], ["result", "hits"]], {
    ...textReading<PineconeHitOf<R>>(options.text, "metadata", "fields"),
    id: (hit, place) => idIn(hit, "id", place) ?? idIn(hit, "_id", place),
    score: (hit, place) => scoreFrom(numberIn(hit, "score", place) ?? numberIn(hit, "_score", place), options.distances),
  });
}
