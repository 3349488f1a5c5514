/** Hits of Elasticsearch, as its client or its REST interface gives them. */

import type { Candidates } from "./shared/candidates.js";
import { fromLucene, type LuceneHit, type LuceneHitOf, type LuceneOptions, type LuceneResponse } from "./shared/lucene.js";

export type { Candidates } from "./shared/candidates.js";
export type { LuceneHit as ElasticsearchHit, LuceneOptions as ElasticsearchOptions, LuceneResponse as ElasticsearchResponse };

/**
 * Text: `_source.text`. Id: `_id`. Score: `_score`, which a search that sorts has not. Embeddings: a field `rank_vectors` of `_source`, if `vector` names it; new
 * versions leave vectors out of the source unless a search says `_source: { exclude_vectors: false }`. Ids are those of one index: of a search over several, hits may
 * share one.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromElasticsearch<R extends LuceneResponse>(response: R, options: LuceneOptions<LuceneHitOf<R>> = {}): Candidates<LuceneHitOf<R>, R> {
  return fromLucene(response, options);
}
