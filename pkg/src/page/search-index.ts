/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to an index. It has a worker of its own, so that a search waits for no ranking and leaves the model's memory alone. */

import { RerankerError } from "../error.js";
import type { QueryEmbeddings } from "../ranking.js";
import type { IndexInfo, IndexOptions, SearchOptions, SearchOutput } from "../search.js";
import { clearIndexes } from "../storage/index-cache.js";
import type { Limits, Warning } from "../types.js";
import { copyOfRows, requireWholeRows } from "./embeddings.js";
import { joined } from "./fit.js";
import { checkLimits, checkQuery, invalid, read } from "./input.js";
import { notify } from "./notify.js";
import { openClient } from "./open-client.js";
import { checkIndex, checkSearch } from "./options.js";
import { type Own, ownOf } from "./own.js";
import { engineFor, indexLocation } from "./places.js";
import { mismatch } from "./sources.js";
import { requireWorkers } from "./start-worker.js";
import type { WorkerClient } from "./worker-client.js";

/** A query's rows, and what it took to have them. */
interface Rows {
  rows: Float32Array;
  truncated: boolean;
}

/**
 * The embeddings of a whole collection, as `tabrank index build` writes them, on any host of static files: the page searches them by itself. The host sees which
 * files are fetched, and so by default what a query is like; see `fetch` of {@link IndexOptions}.
 *
 * @example
 * const index = await Index.open("/index/", { reranker });
 * const { results } = await index.search("who wrote Faust?", { topK: 20 });
 * for (const { id, score } of results) show(id, score);
 */
export class Index {
  /** What the manifest says. */
  readonly info: IndexInfo;
  /** @internal Behind a function, as a Reranker's. */
  readonly own: () => { client: WorkerClient; limits: Limits; encoder: Own | undefined };

  private constructor(client: WorkerClient, limits: Limits, encoder: Own | undefined, info: IndexInfo) {
    const own = { client, limits, encoder };
    this.own = () => own;
    this.info = info;
    for (const name of CALLS) Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true });
  }

  /**
   * Starts a worker, and fetches what every search needs: the manifest and the centroids, or with `fetch: "all"` the whole index.
   *
   * @example
   * const index = await Index.open("https://static.example/docs-index/", { reranker, fetch: "all", onProgress: ({ loaded, total }) => (bar.value = loaded / total) });
   */
  static async open(url: string | URL, options: IndexOptions = {}): Promise<Index> {
    requireWorkers();
    const { reranker, fetch = "probed", onProgress, ...checked } = checkIndex(options);
    checked.signal?.throwIfAborted();
    const limits = checkLimits(checked.limits);
    const encoder = reranker === undefined ? undefined : encoderOf(reranker);
    const location = indexLocation(url, checked);
    const load = { ...engineFor("cpu", checked), checkpoint: undefined, device: "cpu", convert: undefined, resume: false } as const;
    const { client } = await openClient(load, limits, checked);
    try {
      const listener = onProgress && { onProgress: ({ done, total }: { done: number; total: number }) => notify(onProgress, { loaded: done, total }) };
      const info = await client.call("openIndex", { location, all: fetch === "all" }, { signal: checked.signal, ...listener });
      if (encoder) requireModel(info, encoder);
      return new Index(client, limits, encoder, info);
    } catch (error) {
      client.stop(error);
      throw error;
    }
  }

  /**
   * Deletes what is kept of an index in this browser's storage, or without an address of every index. Tells whether there was anything to delete.
   *
   * @example
   * await Index.clearCached("/index/");
   */
  static async clearCached(url?: string | URL): Promise<boolean> {
    return clearIndexes(url === undefined ? undefined : indexLocation(url, {}).source).catch(() => false);
  }

  /** All warnings so far. */
  get warnings(): readonly Warning[] {
    return this.own().client.warnings;
  }

  /**
   * The documents that answer a query best. A text is encoded by the `reranker` that the index was opened with. Searches are answered one after the other.
   *
   * @example
   * const { results, fetched } = await index.search("who wrote Faust?", { topK: 20, nIvfProbe: 32 });
   */
  async search(query: string | QueryEmbeddings, options: SearchOptions = {}): Promise<SearchOutput> {
    const { client } = this.own();
    const { signal, ...settings } = checkSearch(options);
    const begin = performance.now();
    const { rows, truncated } = typeof query === "object" && query !== null ? this.#given(query) : await this.#encoded(query, signal);
    const encode = typeof query === "string" ? performance.now() - begin : 0;
    const { ids, scores, timings, fetched, read } = await client.call("searchIndex", { query: rows, ...settings }, { signal });
    const results = ids.map((id, place) => ({ id, rank: place + 1, score: scores[place]! }));
    return { results, timings: { encode, ...timings, total: performance.now() - begin }, fetched, read, queryTruncated: truncated };
  }

  /** Ends the worker and frees its memory; the reranker stays. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.own().client.stop(new RerankerError({ code: "DISPOSED", message: "this Index was disposed of", hint: "Open the index again." }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #given(query: QueryEmbeddings): Rows {
    const rows = copyOfRows(read(query, "embeddings", "query.embeddings"), "query.embeddings");
    requireWholeRows(rows, this.info.dimension, "query.embeddings");
    return { rows, truncated: false };
  }

  async #encoded(query: string, signal: AbortSignal | undefined): Promise<Rows> {
    const { client, encoder, limits } = this.own();
    client.requireOpen(signal);
    const texts = [checkQuery(query, limits)];
    if (!encoder) throw invalid("query is a text, and the index was opened without a reranker", "Pass { reranker } to Index.open, or { embeddings } as the query.");
    const { values, truncated } = joined(await encoder.client.call("encode", { kind: "query", texts, pooling: "none" }, { signal }));
    return { rows: values, truncated: truncated[0] === 1 };
  }
}

const CALLS = ["search", "dispose"] as const;

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
