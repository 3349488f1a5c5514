/** The embeddings that documents brought along as they cross to a worker: those of one codec together, and a list that is needed as a whole in its own buffer. */

import type { VectorGroup } from "../protocol.js";
import type { Brought, Candidate } from "./candidates.js";
import { invalid } from "./input.js";
import type { Own } from "./own.js";
import { joinedRows, kindOfRows, type StoredRows } from "./rows.js";

/** A document's place in the call, and what it brought. */
interface Placed {
  place: number;
  index: number;
  brought: Brought;
}

/** Of those documents whose embeddings are this model's. */
export function groupsFor(own: Own, left: readonly Candidate[]): VectorGroup[] {
  const kinds = new Map<string, Placed[]>();
  left.forEach(({ brought, index }, place) => {
    if (brought?.owner !== own) return;
    const kind = kindOfRows(brought.rows);
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind)!.push({ place, brought, index });
  });
  return Array.from(kinds.values(), groupOf);
}

function groupOf(documents: readonly Placed[]): VectorGroup {
  const whole = wholeList(documents);
  if (whole?.codes.length === 0) throw invalid("embeddings is a list that another call has transferred meanwhile");
  const ordered = whole ? [...documents].sort((a, b) => a.index - b.index) : documents;
  const { rows: _, codec, ...rows }: StoredRows = whole ?? joinedRows(ordered.map(({ brought }) => brought.rows));
  return { codec, ...rows, lengths: Uint32Array.from(ordered, ({ brought }) => brought.rows.rows), places: Uint32Array.from(ordered, ({ place }) => place) };
}

/** The rows of a list, if these are all the documents that have some in it. */
function wholeList(documents: readonly Placed[]): StoredRows | undefined {
  const { list, rows } = documents[0]!.brought;
  if (!list || documents.some(({ brought }) => brought.list !== list)) return undefined;
  const all = list.lengths.filter((length) => length > 0).length;
  return documents.length === all ? { ...list.all, ...(rows.codecId !== undefined && { codecId: rows.codecId }) } : undefined;
}

/** What these are in, each once. */
export function buffersOf(groups: readonly VectorGroup[]): ArrayBuffer[] {
  const arrays = groups.flatMap(({ codes, scales, residuals, lengths, places }) => [codes, scales, residuals, lengths, places]);
  return [...new Set(arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : [])))];
}
