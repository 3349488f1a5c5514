/** Hits of Orama, whose index lies in the page itself. */

import type { Candidates } from "./shared/candidates.js";
import { idIn, numberIn } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a hit. */
export interface OramaHit {
  id: string;
  score: number;
  document: object;
}

/** What `search` gives. */
export interface OramaResponse {
  hits: readonly OramaHit[];
}

export type OramaHitOf<R> = R extends { hits: readonly (infer H extends OramaHit)[] } ? H : never;

export interface OramaOptions<Hit> {
  /** Of the document; `text`. */
  text?: TextOption<Hit>;
}

/**
 * Text: `document.text`. Id: `id`. Score: `score`. Embeddings: none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromOrama<R extends OramaResponse>(response: R, options: OramaOptions<OramaHitOf<R>> = {}): Candidates<OramaHitOf<R>, R> {
  return listed(response, [["hits"]], {
    ...textReading<OramaHitOf<R>>(options.text, "document"),
    id: (hit, place) => idIn(hit, "id", place),
    score: (hit, place) => numberIn(hit, "score", place),
  });
}
