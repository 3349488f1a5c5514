/** Which of a document's embeddings did each of a query's match best? Read of all similarities, as the engine reads them of a text's. */

import type { MatchesAnswer } from "../protocol.js";
import type { Explanation, ScoredExplanation, TokenMatch, TokenSpan } from "../types.js";
import type { GivenRows } from "./given-embeddings.js";
import { onPage, type Patches } from "./patches.js";

export function matchesOf({ score, similarities }: MatchesAnswer, { rows, patches }: Pick<GivenRows, "rows" | "patches">): ScoredExplanation {
  const ofQuery = Array.from({ length: similarities.length / rows }, (_, row) => similarities.subarray(row * rows, (row + 1) * rows));
  const explanation = explanationOf(score, ofQuery);
  return patches ? { ...onPage(explanation, patches), maps: mapsOf(ofQuery, patches) } : explanation;
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

function mapsOf(ofQuery: readonly Float32Array[], patches: Patches) {
  return ofQuery.map((row) => patches.mapOf(row));
}

function span(row: number): TokenSpan {
  return { id: null, token: "", start: null, end: null, row };
}
