/** Hits in the form that Elasticsearch and OpenSearch share. */

import type { Candidates } from "./candidates.js";
import { fieldOf, idIn, numberIn } from "./fields.js";
import { listed } from "./places.js";
import { textReading, type TextOption } from "./text.js";
import { namedEmbeddings, type NamedVectorOptions } from "./vectors.js";

/** What is read of a hit. */
export interface LuceneHit {
  _id?: string;
  _score?: unknown;
  _source?: unknown;
  fields?: unknown;
}

interface Hits {
  hits: { hits: readonly LuceneHit[] };
}

/** What `search` gives, as the answer's body or with the body in it. */
export type LuceneResponse = Hits | { body: Hits };

export type LuceneHitOf<R> = R extends { hits: { hits: readonly (infer H extends LuceneHit)[] } } ? H : R extends { body: infer B } ? LuceneHitOf<B> : never;

export interface LuceneOptions<Hit> extends NamedVectorOptions {
  /** Of `_source`, or of `fields` where there is no source; `text`. */
  text?: TextOption<Hit>;
}

export function fromLucene<R extends LuceneResponse>(response: R, options: LuceneOptions<LuceneHitOf<R>>): Candidates<LuceneHitOf<R>, R> {
  return listed(response, [["hits", "hits"], ["body", "hits", "hits"]], {
    ...textReading<LuceneHitOf<R>>(options.text, "_source", "fields"),
    id: (hit, place) => idIn(hit, "_id", place),
    score: (hit, place) => numberIn(hit, "_score", place),
    embeddings: (hit, place) => namedEmbeddings(fieldOf(hit, "_source"), `${place}._source`, options),
  });
}
