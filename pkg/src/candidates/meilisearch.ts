/** Hits of Meilisearch, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { idIn, numberIn } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a hit, beside the document's own fields. */
export interface MeilisearchHit {
  _rankingScore?: number;
}

/** What `search` gives, or one of the `results` of a multi-search; a federated one is one list. */
export interface MeilisearchResponse {
  hits: readonly MeilisearchHit[];
}

export type MeilisearchHitOf<R> = R extends { hits: readonly (infer H extends MeilisearchHit)[] } ? H : never;

export interface MeilisearchOptions<Hit> {
  /** Of the document; `text`. */
  text?: TextOption<Hit>;
  /** The index's primary key; `id`. */
  id?: string;
}

/**
 * Text: `text`. Id: `id`. Score: `_rankingScore`, which comes with `showRankingScore: true`. Embeddings: none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromMeilisearch<R extends MeilisearchResponse>(response: R, options: MeilisearchOptions<MeilisearchHitOf<R>> = {}): Candidates<MeilisearchHitOf<R>, R> {
  return listed(
    response,
    [["hits"]],
    {
      ...textReading<MeilisearchHitOf<R>>(options.text),
      id: (hit, place) => idIn(hit, options.id ?? "id", place),
      score: (hit, place) => numberIn(hit, "_rankingScore", place),
    },
    "Give one of `results` of a multi-search.",
  );
}
