/** Hits of Typesense, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { fieldOf, idIn, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a hit. */
export interface TypesenseHit {
  document: object;
  text_match?: number;
  vector_distance?: number;
  hybrid_search_info?: { rank_fusion_score?: number };
}

/** What `search` gives, or one of the `results` of a multi-search. */
export interface TypesenseResponse {
  hits?: readonly TypesenseHit[];
}

export type TypesenseHitOf<R> = R extends { hits?: readonly (infer H extends TypesenseHit)[] } ? H : never;

export interface TypesenseOptions<Hit> {
  /** Of the document; `text`. */
  text?: TextOption<Hit>;
}

const HINT = "Give one of `results` of a multi-search, and of a grouped search one group, which has `hits`.";

/**
 * Text: `document.text`. Id: `document.id`. Score: `hybrid_search_info.rank_fusion_score`, else `text_match`, else `vector_distance` with its sign turned. Embeddings: none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromTypesense<R extends TypesenseResponse>(response: R, options: TypesenseOptions<TypesenseHitOf<R>> = {}): Candidates<TypesenseHitOf<R>, R> {
  return listed(
    response,
    [["hits"]],
    {
      ...textReading<TypesenseHitOf<R>>(options.text, "document"),
      id: (hit, place) => idIn(fieldOf(hit, "document"), "id", `${place}.document`),
      score: (hit, place) =>
        numberIn(hit, "hybrid_search_info.rank_fusion_score", place) ?? numberIn(hit, "text_match", place) ?? scoreFrom(numberIn(hit, "vector_distance", place), true),
    },
    HINT,
  );
}
