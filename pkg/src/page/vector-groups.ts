/** The embeddings that documents brought along as they cross to a worker: those of one codec together, and a list that is needed as a whole in its own buffer. */

import type { VectorGroup } from "../protocol.js";
import type { Candidate } from "./candidates.js";
import { invalid } from "./invalid.js";
import { joinedArrays } from "./joined-arrays.js";
import type { ListFile } from "./list-file.js";
import type { Own } from "./own.js";
import { joinedRows, kindOfRows } from "./row-lists.js";
import type { StoredRows } from "./rows.js";

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

/** Those of some of the documents, which have other places in another call: `at` tells them by those that they have. */
export function groupsAt(groups: readonly VectorGroup[], at: ReadonlyMap<number, number>): VectorGroup[] {
  const some = groups.flatMap((group) => {
    const wanted = Array.from({ length: group.places.length }, (_, document) => document).filter((document) => at.has(group.places[document]!));
    return wanted.length > 0 ? [wanted.length === group.places.length ? group : picked(group, wanted)] : [];
  });
  return some.map((group) => ({ ...group, places: group.places.map((place) => at.get(place)!) }));
}

/** The documents at some places of a group. */
function picked({ lengths, places, codes, scales, residuals, ...group }: VectorGroup, documents: readonly number[]): VectorGroup {
  let total = 0;
  const ends = Array.from(lengths, (length) => (total += length));
  const rowsOf = <A extends Uint8Array | Float32Array>(array: A): A => {
    const width = array.length / total;
    const parts = documents.map((document) => array.subarray((ends[document]! - lengths[document]!) * width, ends[document]! * width) as A);
    return joinedArrays(array.constructor as new (length: number) => A, parts);
  };
  return {
    ...group,
    lengths: Uint32Array.from(documents, (document) => lengths[document]!),
    places: Uint32Array.from(documents, (document) => places[document]!),
    codes: rowsOf(codes),
    ...(scales && { scales: rowsOf(scales) }),
    ...(residuals && { residuals: rowsOf(residuals) }),
  };
}

/** What these are in, each once. */
export function buffersOf(groups: readonly VectorGroup[]): ArrayBuffer[] {
  const arrays = groups.flatMap(({ codes, scales, residuals, lengths, places }) => [codes, scales, residuals, lengths, places]);
  return [...new Set(arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : [])))];
}
