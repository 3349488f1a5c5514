/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to an index. It has a worker of its own, so that a search waits for no ranking and leaves the model's memory alone. */

import { RerankerError } from "../error.js";
import type { QueryEmbeddings } from "../ranking.js";
import type { IndexInfo, IndexOptions, SearchOptions, SearchOutput } from "../search.js";
import type { Warning } from "../types.js";
import { DISPOSE } from "./dispose.js";
import type { OwnIndex } from "./index-calls.js";
import { rest } from "./rest.js";
import { requireWorkers } from "./surroundings.js";

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
  readonly own: () => OwnIndex;

  private constructor(own: OwnIndex, info: IndexInfo) {
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
    const { openIndex } = await rest(options);
    const { own, info } = await openIndex(url, options);
    return new Index(own, info);
  }

  /**
   * Deletes what is kept of an index in this browser's storage, or without an address of every index. Tells whether there was anything to delete.
   *
   * @example
   * await Index.clearCached("/index/");
   */
  static async clearCached(url?: string | URL): Promise<boolean> {
    const { clearCachedIndexes } = await rest();
    return clearCachedIndexes(url);
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
    const own = this.own();
    return own.calls.search(own, query, options);
  }

  /** Ends the worker and frees its memory; the reranker stays. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.own().client.stop(new RerankerError({ code: "DISPOSED", message: "this Index was disposed of", hint: "Open the index again." }));
  }

  [DISPOSE](): void {
    this.dispose();
  }
}

const CALLS = ["search", "dispose"] as const;
