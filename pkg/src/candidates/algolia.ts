/** Hits of Algolia, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { idIn } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a hit, beside the record's own attributes. */
export interface AlgoliaHit {
  objectID: string;
}

/** One of the `results` of a search, or what `searchSingleIndex` gives. */
export interface AlgoliaResponse {
  hits: readonly AlgoliaHit[];
}

export type AlgoliaHitOf<R> = R extends { hits: readonly (infer H extends AlgoliaHit)[] } ? H : never;

export interface AlgoliaOptions<Hit> {
  /** Of the record; `text`. */
  text?: TextOption<Hit>;
}

/**
 * Text: `text`. Id: `objectID`. Score: none, as Algolia's order comes of several criteria in turn; `fuse` goes by the order that hits came in. Embeddings: none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromAlgolia<R extends AlgoliaResponse>(response: R, options: AlgoliaOptions<AlgoliaHitOf<R>> = {}): Candidates<AlgoliaHitOf<R>, R> {
  return listed(
    response,
    [["hits"]],
    {
      ...textReading<AlgoliaHitOf<R>>(options.text),
      id: (hit, place) => idIn(hit, "objectID", place),
      score: () => undefined,
    },
    "Give one of `results` of a search.",
  );
}
