/** Points of Qdrant, as its client or its REST interface gives them. */

import { candidates, type Candidates } from "./shared/candidates.js";
import { fieldOf, idIn, numberIn, scoreFrom } from "./shared/fields.js";
import { hitList, withHits } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { embeddingsOf, type VectorOptions } from "./shared/vectors.js";

export type { Candidates, HitOptions } from "./shared/candidates.js";
export type { TextOption } from "./shared/text.js";

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

export type QdrantHit<R> = R extends readonly (infer P)[] ? P : R extends { points: readonly (infer P)[] } ? P : R extends { result?: infer I } ? QdrantHit<I> : never;

export interface QdrantOptions<Hit> extends VectorOptions {
  /** Of the payload; `text`. */
  text?: TextOption<Hit>;
  /** The collection's distance is `Euclid` or `Manhattan`, so that the least score is the best. Off by default. */
  distances?: boolean;
}

const PLACES = [["points"], [], ["result", "points"], ["result"]];

/**
 * Text: `payload.text`. Id: `id`. Score: `score`. Embeddings: a multivector under `vector`, which comes with `with_vector: true`.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromQdrant<R extends QdrantResponse>(response: R, options: QdrantOptions<QdrantHit<R>> = {}): Candidates<QdrantHit<R>, R> {
  const { hits, place, path } = hitList(response, PLACES);
  const reading = {
    ...textReading<QdrantHit<R>>(options.text ?? "text", "payload"),
    id: (point: QdrantHit<R>, at: string) => idIn(point, "id", at),
    score: (point: QdrantHit<R>, at: string) => scoreFrom(numberIn(point, "score", at), options.distances),
    embeddings: (point: QdrantHit<R>, at: string) => embeddingsOf(fieldOf(point, "vector"), `${at}.vector`, options),
  };
  return candidates(hits, place, reading, (ordered) => withHits(response, path, ordered));
}
