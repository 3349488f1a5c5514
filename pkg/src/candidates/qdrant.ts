/** Points of Qdrant, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { fieldOf, idIn, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { embeddingsOf, type VectorOptions } from "./shared/vectors.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a point. */
export interface QdrantPoint {
  id: string | number;
  score?: number;
  payload?: object | null;
  vector?: unknown;
}

type Points = readonly QdrantPoint[] | { points: readonly QdrantPoint[] };

/** What `query`, `search`, `scroll` and `retrieve` give, with the envelope of the REST interface or without. */
export type QdrantResponse = Points | { result?: Points };

export type QdrantHit<R> = R extends readonly (infer P extends QdrantPoint)[] ? P : R extends { points: readonly (infer P extends QdrantPoint)[] } ? P : R extends { result?: infer I } ? QdrantHit<I> : never;

export interface QdrantOptions<Hit> extends VectorOptions {
  /** Of the payload; `text`. */
  text?: TextOption<Hit>;
  /** The collection's distance is `Euclid` or `Manhattan`, so that the least score is the best. Off by default. */
  distances?: boolean;
}

/**
 * Text: `payload.text`. Id: `id`. Score: `score`. Embeddings: a multivector under `vector`, which comes with `with_vector: true`.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromQdrant<R extends QdrantResponse>(response: R, options: QdrantOptions<QdrantHit<R>> = {}): Candidates<QdrantHit<R>, R> {
  return listed(response, [["points"], [], ["result", "points"], ["result"]], {
    ...textReading<QdrantHit<R>>(options.text, "payload"),
    id: (point, place) => idIn(point, "id", place),
    score: (point, place) => scoreFrom(numberIn(point, "score", place), options.distances),
    embeddings: (point, place) => embeddingsOf(fieldOf(point, "vector"), `${place}.vector`, options),
  });
}
