/** Rows of LanceDB, as `toArray()` of a query gives them, or as JSON of a server of your own. */

import type { Rows } from "../index.js";
import type { Candidates } from "./shared/candidates.js";
import { idIn, invalidKind, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { isRows, namedEmbeddings, type NamedVectorOptions } from "./shared/vectors.js";

export type { Candidates } from "./shared/candidates.js";

export interface LanceDbOptions<Hit> extends NamedVectorOptions {
  /** The column; `text`. */
  text?: TextOption<Hit>;
  /** The column; `id`. */
  id?: string;
  /** The column of multivectors that are a hit's embeddings. None by default: the text is encoded. */
  vector?: string | false;
}

/**
 * Text: `text`. Id: `id`. Score: `_relevance_score`, else `_score`, else `_distance` with its sign turned. Embeddings: a column of multivectors, if `vector` names it.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromLanceDb<Hit extends object>(response: readonly Hit[], options: LanceDbOptions<Hit> = {}): Candidates<Hit, readonly Hit[]> {
  return listed(response, [[]], {
    ...textReading<Hit>(options.text),
    id: (row, place) => idIn(row, options.id ?? "id", place),
    score: (row, place) => numberIn(row, "_relevance_score", place) ?? numberIn(row, "_score", place) ?? scoreFrom(numberIn(row, "_distance", place), true),
    embeddings: (row, place) => namedEmbeddings(row, place, options, rowsOf),
  });
}

/** Arrow's lists are no arrays, but are gone through as one. */
function rowsOf(value: unknown, place: string): Rows {
  return isRows(value) ? value : listIn(value, place).map((row, index) => listIn(row, `${place}[${index}]`) as number[]);
}

function listIn(value: unknown, place: string): unknown[] {
  if (typeof value === "object" && value !== null && Symbol.iterator in value) return Array.from(value as Iterable<unknown>);
  throw invalidKind(value, place, "a list");
}
