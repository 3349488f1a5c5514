/** Which of a document's embeddings did each of a query's match best? Read of all similarities, as the engine reads them of a text's. */

import type { MatchesAnswer } from "../protocol.js";
import type { Explanation, ScoredExplanation, SimilarityMap, TokenMatch, TokenSpan } from "../types.js";
import type { GivenRows } from "./given-embeddings.js";
import { onPage, type Patches } from "./patches.js";

export function matchesOf({ score, similarities }: MatchesAnswer, { rows, patches }: Pick<GivenRows, "rows" | "patches">): ScoredExplanation {
  const explanation = explanationOf(score, rowsIn(similarities, rows));
  return patches ? { ...onPage(explanation, patches), maps: mapsOf({ similarities }, rows, patches) } : explanation;
}

/** Of each of the query's embeddings, with `rows` of the page's. */
export function mapsOf({ similarities }: Pick<MatchesAnswer, "similarities">, rows: number, patches: Patches): SimilarityMap[] {
  return rowsIn(similarities, rows).map((row) => patches.mapOf(row));
}

function rowsIn(similarities: Float32Array, rows: number): Float32Array[] {
  return Array.from({ length: similarities.length / rows }, (_, row) => similarities.subarray(row * rows, (row + 1) * rows));
}

/** The first of equally similar embeddings counts. */
function explanationOf(score: number, ofQuery: readonly Float32Array[]): Explanation {
  const best = ofQuery.map((row) => row.reduce((most, value) => Math.max(most, value), -Infinity));
  const sum = best.reduce((total, similarity) => total + similarity, 0);
  const matches = best.map(
    (similarity, row): TokenMatch => ({
      query: span(row),
      document: span(ofQuery[row]!.indexOf(similarity)),
      similarity,
      share: sum === 0 ? 0 : similarity / sum,
    }),
  );
  return { score, queryTruncated: false, truncated: false, matches };
}

function span(row: number): TokenSpan {
  return { id: null, token: "", start: null, end: null, row };
}
