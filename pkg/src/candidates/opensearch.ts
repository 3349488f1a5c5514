/** Hits of OpenSearch, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { fromLucene, type LuceneHit, type LuceneHitOf, type LuceneOptions, type LuceneResponse } from "./shared/lucene.js";

export type { Candidates } from "./shared/candidates.js";
export type { LuceneHit as OpenSearchHit, LuceneOptions as OpenSearchOptions, LuceneResponse as OpenSearchResponse };

/**
 * Text: `_source.text`. Id: `_id`. Score: `_score`, which a search that sorts has not. Embeddings: a field of `_source` with a row for each token, as late
 * interaction has them there, if `vector` names it. Ids are those of one index: of a search over several, hits may share one.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromOpenSearch<R extends LuceneResponse>(response: R, options: LuceneOptions<LuceneHitOf<R>> = {}): Candidates<LuceneHitOf<R>, R> {
  return fromLucene(response, options);
}
