/** Opens an index and searches it. */

import type { QueryEmbeddings } from "../ranking.js";
import type { IndexInfo, IndexOptions, SearchOptions, SearchOutput } from "../search.js";
import { clearIndexes } from "../storage/index-cache.js";
import type { Limits } from "../types.js";
import { copyOfRows, requireWholeRows } from "./embeddings.js";
import { joined } from "./fit.js";
import * as calls from "./index-calls.js";
import { checkLimits, checkQuery } from "./input.js";
import { invalid, read } from "./invalid.js";
import { notify } from "./notify.js";
import { openClient } from "./open-client.js";
import { checkIndex, checkSearch } from "./options.js";
import { type Own, ownOf } from "./own.js";
import { engineFor, indexLocation } from "./places.js";
import { mismatch } from "./sources.js";
import type { WorkerClient } from "./worker-client.js";

/** What an Index works with. */
export interface OwnIndex {
  calls: typeof import("./index-calls.js");
  client: WorkerClient;
  limits: Limits;
  encoder: Own | undefined;
  dimension: number;
}

/** A query's rows, and what it took to have them. */
interface Rows {
  rows: Float32Array;
  truncated: boolean;
}

export async function openIndex(url: string | URL, options: IndexOptions): Promise<{ own: OwnIndex; info: IndexInfo }> {
  const { reranker, fetch = "probed", onProgress, ...checked } = checkIndex(options);
  checked.signal?.throwIfAborted();
  const limits = checkLimits(checked.limits);
  const encoder = reranker === undefined ? undefined : encoderOf(reranker);
  encoder?.client.requireOpen(checked.signal);
  const location = indexLocation(url, checked);
  const load = { ...engineFor("cpu", checked), checkpoint: undefined, device: "cpu", convert: undefined, resume: false } as const;
  const { client } = await openClient(load, limits, checked);
  try {
    const listener = onProgress && { onProgress: ({ done, total }: { done: number; total: number }) => notify(onProgress, { loaded: done, total }) };
    const info = await client.call("openIndex", { location, all: fetch === "all" }, { signal: checked.signal, ...listener });
    if (encoder) requireModel(info, encoder);
    return { own: { calls, client, limits, encoder, dimension: info.dimension }, info };
  } catch (error) {
    client.stop(error);
    throw error;
  }
}

export async function clearCachedIndexes(url: string | URL | undefined): Promise<boolean> {
  return clearIndexes(url === undefined ? undefined : indexLocation(url, {}).source).catch(() => false);
}

export async function search(own: OwnIndex, query: string | QueryEmbeddings, options: SearchOptions): Promise<SearchOutput> {
  const { signal, onProgress, ...settings } = checkSearch(options);
  const begin = performance.now();
  const { rows, truncated } = typeof query === "object" && query !== null ? given(own, query) : await encoded(own, query, signal);
  const encode = typeof query === "string" ? performance.now() - begin : 0;
  const { ids, scores, timings, fetched, read } = await own.client.call("searchIndex", { query: rows, ...settings }, { signal, onProgress });
  const length = own.encoder?.model.similarity === "meanmaxsim" ? Math.max(rows.length / own.dimension, 1) : 1;
  const results = ids.map((id, place) => ({ id, rank: place + 1, score: Math.fround(scores[place]! / length) }));
  return { results, timings: { encode, ...timings, total: performance.now() - begin }, fetched, read, queryTruncated: truncated };
}

function given({ dimension }: OwnIndex, query: QueryEmbeddings): Rows {
  const rows = copyOfRows(read(query, "embeddings", "query.embeddings"), "query.embeddings");
  requireWholeRows(rows, dimension, "query.embeddings");
  return { rows, truncated: false };
}

async function encoded({ client, encoder, limits }: OwnIndex, query: string, signal: AbortSignal | undefined): Promise<Rows> {
  client.requireOpen(signal);
  const texts = [checkQuery(query, limits)];
  if (!encoder) throw invalid("query is a text, and the index was opened without a reranker", "Pass { reranker } to Index.open, or { embeddings } as the query.");
  const { values, truncated } = joined(await encoder.client.call("encode", { kind: "query", texts, pooling: "none" }, { signal }));
  return { rows: values, truncated: truncated[0] === 1 };
}

function encoderOf(reranker: unknown): Own {
  const own = ownOf(reranker, "reranker");
  if (own.model.kind === "crossEncoder") throw invalid("reranker is a cross-encoder, which makes no embeddings");
  return own;
}

/** One that does not name its model is held against the width alone. */
function requireModel({ embeddingId, dimension }: IndexInfo, { model }: Own): void {
  if (embeddingId !== undefined && embeddingId !== model.embeddingId) throw mismatch(`the index is of the model ${embeddingId.slice(0, 64)}, and reranker is ${model.embeddingId}`);
  if (dimension !== model.dimension) throw mismatch(`the index has embeddings of ${dimension} values, and reranker makes ${model.dimension}`);
}
