/** Matches made by hand: of a query's token with the first place of a word in a text. */

import type { TokenMatch } from "../../src/types.js";

export function tokenMatch(text: string, word: string, similarity: number, query = "token"): TokenMatch {
  const start = text.indexOf(word);
  return {
    query: { id: 1, token: query, start: 0, end: query.length, row: 0 },
    document: { id: 2, token: word, start, end: start + word.length, row: 0 },
    similarity,
    share: 0,
  };
}
