/** What every backend's answer becomes: its own hits, and how `rerank` reads them. */

import type { GivenEmbeddings } from "../../index.js";
import { requireRecord } from "./fields.js";
import { requireText, type TextReading } from "./text.js";

/**
 * A backend's hits, ready for `rerank`.
 *
 * @example
 * import { fromQdrant } from "tabrank/candidates/qdrant";
 *
 * const found = fromQdrant(await (await fetch("/collections/articles/points/query", { method: "POST", body: text })).json());
 * const { results } = await reranker.rerank(query, found.hits, { ...found.options, topK: 10 });
 * show(found.response(results));
 */
export interface Candidates<Hit, Response> {
  /** The answer's own objects, in its order. */
  readonly hits: Hit[];
  /** Where a hit has its text, its id and its embeddings: options of `rerank`. */
  readonly options: HitOptions<Hit>;
  /** A hit's given score, the greater the better, for a stage `given`; distances have their sign turned. Undefined where it has none. */
  readonly score: (hit: Hit) => number | undefined;
  /** The answer with these hits in place of its own, as a copy: whatever else it holds, and what each hit holds, stays as it was. */
  readonly response: (results: readonly { document: Hit }[]) => Response;
}

export interface HitOptions<Hit> {
  text: (hit: Hit) => string | undefined;
  id: (hit: Hit) => string | number | undefined;
  embeddings: (hit: Hit) => GivenEmbeddings | undefined;
}

/** Where one backend's hits have what. `place` is how errors name the hit. */
export interface Reading<Hit> extends TextReading<Hit> {
  id(hit: Hit, place: string): string | number | undefined;
  score(hit: Hit, place: string): number | undefined;
  embeddings?(hit: Hit, place: string): GivenEmbeddings | undefined;
}

/** Each hit is read once at first, so that one that does not fit is named by its place in the answer. */
export function candidates<Hit, Response>(hits: readonly unknown[], place: string, reading: Reading<Hit>, put: (hits: Hit[]) => Response): Candidates<Hit, Response> {
  hits.forEach((hit, index) => check(hit, `${place}[${index}]`, reading));
  return {
    hits: [...hits] as Hit[],
    options: {
      text: (hit) => reading.text(hit, "hit"),
      id: (hit) => reading.id(hit, "hit"),
      embeddings: (hit) => reading.embeddings?.(hit, "hit"),
    },
    score: (hit) => reading.score(hit, "hit"),
    response: (results) => put(results.map(({ document }) => document)),
  };
}

function check<Hit>(hit: unknown, place: string, reading: Reading<Hit>): void {
  requireRecord(hit, place);
  const text = reading.text(hit as Hit, place);
  reading.id(hit as Hit, place);
  reading.score(hit as Hit, place);
  if (!reading.embeddings?.(hit as Hit, place)) requireText(text, `${place}${reading.textPlace}`);
}
