/** Answers in columns: a list of ids, one of texts and so on. Hits are made of them, and an order of hits goes back into all. */

import { candidates, type Candidates, type Reading } from "./candidates.js";
import { idIn, invalid, requireList } from "./fields.js";

export interface Column {
  /** In the answer. */
  name: string;
  /** How errors name the list. */
  place: string;
  list: unknown;
}

/** Names of the answer's columns, each with the field of a hit that it fills; that of the ids is the first. */
export type ColumnFields = Readonly<Record<string, string>>;

/** `columnOf`: the list of that name. `put`: the answer with these lists in place of its own. */
export function columnar<Hit extends object, Response>(
  fields: ColumnFields,
  columnOf: (name: string) => Column,
  reading: Reading<Hit>,
  put: (lists: readonly (readonly [name: string, list: readonly unknown[]])[]) => Response,
): Candidates<Hit, Response> {
  const [ids, ...others] = Object.keys(fields).map(columnOf) as [Column, ...Column[]];
  requireList(ids.list, ids.place);
  const columns = [ids, ...others.filter(isThere)] as (Column & { list: readonly unknown[] })[];
  for (const { list, place } of columns) requireLength(list, place, ids.list.length, ids.place);
  const hits = ids.list.map((_, index) => Object.fromEntries(columns.map(({ name, list }) => [fields[name]!, list[index]])));
  const found = new Map(hits.map((hit, index) => [idIn(hit, "id", ids.place), index]));
  return candidates<Hit, Response>(hits, ids.place, reading, (ordered) => {
    const order = ordered.map((hit, rank) => found.get(idIn(hit, "id", "hit")) ?? unknownHit(rank));
    return put(columns.map(({ name, list }) => [name, order.map((index) => list[index])]));
  });
}

/** What was not asked for is `null` or an empty list. */
function isThere({ list }: Column): boolean {
  return list !== undefined && list !== null && !(Array.isArray(list) && list.length === 0);
}

function requireLength(list: unknown, place: string, length: number, of: string): void {
  requireList(list, place);
  if (list.length !== length) throw invalid(`${place} has ${list.length} entries, and ${of} has ${length}`);
}

function unknownHit(rank: number): never {
  throw invalid(`results[${rank}].document is none of this answer's hits`);
}

/** An entry of a list that may be none. */
export function entryOf(list: unknown, index: number): unknown {
  return Array.isArray(list) ? list[index] : undefined;
}

/** A copy with another entry at that place. */
export function withEntry(list: readonly unknown[], index: number, entry: unknown): unknown[] {
  return list.map((present, place) => (place === index ? entry : present));
}
