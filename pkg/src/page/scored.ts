/** Reads documents whose embeddings are scored without a model, in any of their forms. */

import type { VectorGroup } from "../protocol.js";
import type { Embeddings, Limits, Scorable } from "../types.js";
import type { GivenEmbeddings, ListedEmbeddings } from "../vectors.js";
import { listFileOf } from "./embedding-list.js";
import { copyOfEmbeddings } from "./embeddings.js";
import { type GivenRows, rowsGiven } from "./given-embeddings.js";
import { listOf, nameOf, tooLarge } from "./input.js";
import { invalid, isA, isArray, read } from "./invalid.js";
import { bytesIn, type ListFile } from "./list-file.js";
import { bytesOfRows } from "./row-lists.js";
import { mismatch, type NamedRows } from "./sources.js";
import { groupsOf } from "./vector-groups.js";

/** Embeddings of so many documents, all of one width and one model. */
export interface Scored {
  count: number;
  dimension: number;
  /** As they are checked: of a list all rows together. */
  rows: NamedRows[];
  /** As they cross, once it is known which codecs they are of. */
  groups(): VectorGroup[];
}

export function scoredOf(documents: Scorable, limits: Limits): Scored {
  const scored = isArray(documents) ? eachOf(documents as readonly GivenEmbeddings[], limits) : allOf(listOrFlat(documents, limits));
  if (scored.count > limits.documents) throw tooLarge("documents", scored.count, "texts", limits.documents, "documents");
  const bytes = scored.rows.reduce((sum, { rows }) => sum + bytesOfRows(rows), 0);
  if (bytes > limits.embeddingBytes) throw tooLarge("documents", bytes, "bytes", limits.embeddingBytes, "embeddingBytes");
  return scored;
}

/** One document's. */
export function rowsOf(document: GivenEmbeddings, limits: Limits): GivenRows {
  const rows = rowsGiven(document, { place: "document", limits, dimensionOf: () => undefined });
  if (!rows) throw invalid("document has no embeddings");
  const bytes = bytesOfRows(rows);
  if (bytes > limits.embeddingBytes) throw tooLarge("document", bytes, "bytes", limits.embeddingBytes, "embeddingBytes");
  return rows;
}

function listOrFlat(documents: Exclude<Scorable, readonly GivenEmbeddings[]>, limits: Limits): Pick<ListFile, "all" | "lengths"> {
  const isList = isA(documents, ArrayBuffer) || isA(documents, Uint8Array) || (typeof documents === "object" && documents !== null && read(documents as { own?: unknown }, "own", "documents") !== undefined);
  if (isList) return listFileOf(documents as ListedEmbeddings, "documents");
  const { values, lengths, dimension } = copyOfEmbeddings(documents as Embeddings, "documents", limits);
  return { all: { codec: "f32", dimension, rows: values.length / dimension, codes: bytesIn(values) }, lengths };
}

function allOf({ all, lengths }: Pick<ListFile, "all" | "lengths">): Scored {
  const rows = { ...all };
  const groups = () => {
    const { rows: _, ...arrays } = rows;
    return [{ ...arrays, lengths, places: Uint32Array.from(lengths.keys()) }];
  };
  return { count: lengths.length, dimension: all.dimension, rows: [{ rows, name: "documents" }], groups };
}

function eachOf(documents: readonly GivenEmbeddings[], limits: Limits): Scored {
  const rows = listOf(documents, limits).map((document, index): NamedRows => {
    const name = nameOf(index);
    const found = rowsGiven(document, { place: name, limits, dimensionOf: () => undefined });
    if (!found) throw invalid(`${name} has no embeddings`);
    return { rows: found, name };
  });
  const [first] = rows;
  if (!first) throw invalid("documents is empty");
  for (const { rows: { dimension, embeddingId }, name } of rows) {
    if (dimension !== first.rows.dimension) throw mismatch(`${name} has embeddings of ${dimension} values, and documents[0] of ${first.rows.dimension}`);
    if (embeddingId !== first.rows.embeddingId) throw mismatch(`${name} is of another model than documents[0]`);
  }
  return { count: rows.length, dimension: first.rows.dimension, rows, groups: () => groupsOf(rows.map((one, place) => ({ ...one, place, index: place }))) };
}
