/** The embeddings that documents brought along as they cross to a worker: those of one codec together, and a list that is needed as a whole in its own buffer. */

import type { VectorGroup } from "../protocol.js";
import type { Candidate } from "./candidates.js";
import { invalid } from "./input.js";
import type { ListFile } from "./list-file.js";
import type { Own } from "./own.js";
import { joinedRows, kindOfRows, type StoredRows } from "./rows.js";

export const TRANSFERRED = "embeddings is a list that was transferred meanwhile";

/** A document's rows, and its place in the call. */
export interface PlacedRows {
  place: number;
  /** In the caller's list, and so in the list of embeddings, if there is one. */
  index: number;
  rows: StoredRows;
  list?: ListFile;
}

/** Of those documents whose embeddings are this model's. */
export function groupsFor(own: Own, left: readonly Candidate[]): VectorGroup[] {
  return groupsOf(left.flatMap(({ index, brought }, place) => (brought?.owner === own ? [{ place, index, ...brought }] : [])));
}

export function groupsOf(documents: readonly PlacedRows[]): VectorGroup[] {
  const kinds = new Map<string, PlacedRows[]>();
  for (const document of documents) {
    const kind = kindOfRows(document.rows);
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind)!.push(document);
  }
  return Array.from(kinds.values(), groupOf);
}

function groupOf(documents: readonly PlacedRows[]): VectorGroup {
  if (documents.some(({ rows, list }) => list && rows.codes.length === 0)) throw invalid(TRANSFERRED);
  const whole = wholeList(documents);
  const ordered = whole ? [...documents].sort((a, b) => a.index - b.index) : documents;
  const { rows: _, ...arrays } = whole ?? joinedRows(ordered.map(({ rows }) => rows));
  return { ...arrays, lengths: Uint32Array.from(ordered, ({ rows }) => rows.rows), places: Uint32Array.from(ordered, ({ place }) => place) };
}

/** The rows of a list, if these are all the documents that have some in it. */
function wholeList(documents: readonly PlacedRows[]): StoredRows | undefined {
  const { list, rows } = documents[0]!;
  if (!list || documents.some((other) => other.list !== list)) return undefined;
  const all = list.lengths.filter((length) => length > 0).length;
  return documents.length === all ? { ...list.all, ...(rows.codecId !== undefined && { codecId: rows.codecId }) } : undefined;
}

/** What these are in, each once. */
export function buffersOf(groups: readonly VectorGroup[]): ArrayBuffer[] {
  const arrays = groups.flatMap(({ codes, scales, residuals, lengths, places }) => [codes, scales, residuals, lengths, places]);
  return [...new Set(arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : [])))];
}
