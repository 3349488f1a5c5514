/** Rows of PostgreSQL, as `pg`, PGlite and other clients give them, or as JSON of a server of your own. */

import type { Rows } from "../index.js";
import type { Candidates } from "./shared/candidates.js";
import { idIn, invalidKind, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { isRows, namedEmbeddings, type NamedVectorOptions } from "./shared/vectors.js";

export type { Candidates } from "./shared/candidates.js";

/** What a query gives, or its rows. */
export type PgvectorResponse = readonly object[] | { rows: readonly object[] };

export type PgvectorHit<R> = R extends readonly (infer H extends object)[] ? H : R extends { rows: readonly (infer H extends object)[] } ? H : never;

export interface PgvectorOptions<Hit> extends NamedVectorOptions {
  /** The column; `text`. */
  text?: TextOption<Hit>;
  /** The column; `id`. */
  id?: string;
  /** The column of a score that is the greater the better, such as `ts_rank` gives it; `score`. It comes before `distance`. */
  score?: string;
  /** The column of what `<->`, `<=>`, `<+>` or `<#>` gives; `distance`. */
  distance?: string;
  /** The column of type `vector[]` or `halfvec[]` that holds a row for each token, as VectorChord ranks by it. None by default: the text is encoded. */
  vector?: string | false;
}

/**
 * Text: `text`. Id: `id`. Score: `score`, else `distance` with its sign turned, which is right for `<#>` as well. Embeddings: a column of vectors, if `vector` names it.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 * @example
 * import { fromPgvector } from "tabrank/candidates/pgvector";
 *
 * // SELECT id, text, embedding <=> $1 AS distance FROM articles ORDER BY distance LIMIT 100
 * const found = fromPgvector(await (await fetch("/search?q=faust")).json());
 */
export function fromPgvector<R extends PgvectorResponse>(response: R, options: PgvectorOptions<PgvectorHit<R>> = {}): Candidates<PgvectorHit<R>, R> {
  return listed(response, [["rows"], []], {
    ...textReading<PgvectorHit<R>>(options.text),
    id: (row, place) => idIn(row, options.id ?? "id", place),
    score: (row, place) => numberIn(row, options.score ?? "score", place) ?? scoreFrom(numberIn(row, options.distance ?? "distance", place), true),
    embeddings: (row, place) => namedEmbeddings(row, place, options, rowsOf),
  });
}

/** A client that does not know the type gives PostgreSQL's text: `{"[1,2]","[3,4]"}`, or of each vector `[1,2]`. */
function rowsOf(value: unknown, place: string): Rows {
  if (isRows(value)) return value;
  const vectors: unknown = typeof value === "string" ? value.match(/\[[^\]]*\]/g) : value;
  if (!Array.isArray(vectors)) throw invalidKind(value, place, "an array of vectors");
  return vectors.map((vector, index) => numbersIn(vector, `${place}[${index}]`));
}

function numbersIn(vector: unknown, place: string): number[] {
  const numbers = typeof vector === "string" ? vector.replace(/^\[|\]$/g, "").split(",").map(Number) : [NaN];
  if (!numbers.every(Number.isFinite)) throw invalidKind(vector, place, "a vector");
  return numbers;
}
