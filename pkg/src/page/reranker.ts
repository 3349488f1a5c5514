/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to the model. */

import { RerankerError } from "../error.js";
import type { EncodePagesOptions, EstimatePagesOptions, GivenPage, PagesEstimate, PageSize } from "../pages.js";
import type { BudgetOptions, Paging, PagingOptions, QueryEmbeddings, RerankOptions, RerankOutput } from "../ranking.js";
import type {
  CheckpointFiles,
  ChosenDevice,
  Device,
  EncodeOptions,
  Estimate,
  EstimateOptions,
  ExplainOptions,
  Explanation,
  GpuKernel,
  LoadOptions,
  ModelInfo,
  Preloaded,
  PreloadOptions,
  Probe,
  ProbeOptions,
  ScoredExplanation,
  Simd,
  StoredModel,
  StoredModelOptions,
  TokenEmbeddings,
  VectorCache,
  Warning,
} from "../types.js";
import type { DocumentEmbeddings, GivenEmbeddings } from "../vectors.js";
import { asBlobs } from "./blobs.js";
import { DISPOSE } from "./dispose.js";
import { isAddress } from "./invalid.js";
import type { Own } from "./own.js";
import type { AnyBudget } from "./options.js";
import type { Loaded } from "./reranker-load.js";
import { rest } from "./rest.js";
import { requireWorkers } from "./surroundings.js";

/**
 * A late-interaction model, or a cross-encoder, in a worker of this page.
 *
 * @example
 * const reranker = await Reranker.load("/models/all-MiniLM-L6-v2/");
 * const { results } = await reranker.rerank("who wrote Faust?", ["Goethe wrote Faust.", "Bread is baked."], { topK: 1 });
 * console.log(results[0].document, results[0].normalizedScore);
 */
export class Reranker {
  /** What the model's own files say. */
  readonly model: ModelInfo;
  /** The instructions that the engine uses on the CPU. */
  readonly simd: Simd;
  /** What is kept of documents for the next query: of a model that was loaded without `vectorCache` nothing. */
  readonly vectorCache: VectorCache;
  /** @internal */
  readonly own: () => Own;

  private constructor({ door, vectorCache, simd }: Loaded) {
    this.own = door;
    this.vectorCache = vectorCache;
    // So that they work when they are taken out of it: const { rerank } = reranker.
    for (const name of CALLS) Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true });
    this.model = door().model;
    this.simd = simd;
  }

  /**
   * Loads a checkpoint or a bundle: from a folder's address, from a model hub that is named, or from files that the page has.
   *
   * @example
   * const reranker = await Reranker.load("/models/my-colbert/", { dtype: "q8", onProgress: ({ progress }) => (bar.value = progress) });
   */
  static async load(source: string | URL | CheckpointFiles, options: LoadOptions = {}): Promise<Reranker> {
    requireWorkers();
    // Before anything is waited for.
    const kept = isAddress(source) ? source : asBlobs(source);
    const { loadReranker } = await rest(options);
    return new Reranker(await loadReranker(kept, options));
  }

  /**
   * Brings a model into this browser's storage, so that a later {@link Reranker.load} with the same options needs no network. A worker fetches, checks and stores it,
   * converts it where `dtype` asks for that, and ends; nothing is encoded. What is there already is not fetched again.
   *
   * @example
   * const { stored, bytes } = await Reranker.preload("/models/my-colbert/", { persist: true, onProgress: ({ progress }) => (bar.value = progress) });
   */
  static async preload(source: string | URL, options: PreloadOptions = {}): Promise<Preloaded> {
    requireWorkers();
    const { preloadModel } = await rest(options);
    return preloadModel(source, options);
  }

  /**
   * What a load would find here: instructions, cores, GPU and storage, and of a model whether it is stored, how large it is and how fast it was before. No worker starts,
   * and nothing is fetched but a bundle's manifest or, without its body, a checkpoint's file of weights.
   *
   * @example
   * const { model } = await Reranker.probe("/models/my-colbert/");
   * if (model && !model.stored) askBeforeDownload(model.bytes);
   */
  static async probe(source?: string | URL, options: ProbeOptions = {}): Promise<Probe> {
    const { probe } = await rest(options);
    return probe(source, options);
  }

  /**
   * Whether {@link Reranker.load} with the same options would find the whole model in this browser's storage.
   *
   * @example
   * if (!(await Reranker.isCached("/models/my-colbert/", { dtype: "q8" }))) askBeforeDownload();
   */
  static async isCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    const { isModelCached } = await rest();
    return isModelCached(source, options);
  }

  /**
   * All models in this browser's storage, first the one that was used last; downloads that have not ended are among them.
   *
   * @example
   * for (const { source, revision, bytes, usedAt } of await Reranker.cached()) addRow(source, revision, bytes, usedAt);
   */
  static async cached(): Promise<StoredModel[]> {
    const { cachedModels } = await rest();
    return cachedModels();
  }

  /**
   * Deletes the model that was loaded with these options from this browser's storage, and tells whether there was anything to delete.
   *
   * @example
   * await Reranker.deleteCached("/models/my-colbert/", { dtype: "q8" });
   */
  static async deleteCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    const { deleteCachedModel } = await rest();
    return deleteCachedModel(source, options);
  }

  /**
   * Deletes every version of a model from this browser's storage, whatever options it was loaded with, or without a source every model. Tells whether there was
   * anything to delete. Nothing else of this origin is touched.
   *
   * @example
   * await Reranker.clearCached("owner/name", { hub: "https://huggingface.co" });
   */
  static async clearCached(source?: string | URL, options: Pick<StoredModelOptions, "hub"> = {}): Promise<boolean> {
    const { clearCachedModels } = await rest();
    return clearCachedModels(source, options);
  }

  /**
   * Deletes the embeddings of all documents, of whatever model, from this browser's storage, where `vectorCache: { persist: true }` has put them. Tells whether
   * there was anything to delete. What is in the memory of pages stays there until they end or clear it.
   *
   * @example
   * await Reranker.clearVectors();
   */
  static async clearVectors(): Promise<boolean> {
    const { clearVectors } = await rest();
    return clearVectors();
  }

  /** Where the next call runs. Left to us it is the CPU at first, and may become WebGPU later, or the CPU again: see `onDeviceChange`. */
  get device(): Device {
    return this.own().client.device;
  }

  /** Where the next call runs and why, and what was measured of each device. */
  get choice(): ChosenDevice {
    return this.own().client.choice;
  }

  /** How the GPU multiplies, once there is one that was found right; it may be slower than the CPU, which then runs. */
  get gpuKernel(): GpuKernel | undefined {
    return this.own().client.gpuKernel;
  }

  /** All warnings so far. */
  get warnings(): readonly Warning[] {
    return this.own().client.warnings;
  }

  /**
   * Orders documents by how well they answer a query, in one stage by this model, or in `stages`.
   *
   * @example
   * const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 });
   * for (const { rank, document } of results) show(rank, document.title);
   */
  rerank<T>(query: string | QueryEmbeddings, documents: readonly T[], options: BudgetOptions<T>): Promise<RerankOutput<T, number | null>>;
  rerank<T>(query: string | QueryEmbeddings, documents: readonly T[], options?: RerankOptions<T>): Promise<RerankOutput<T>>;
  async rerank<T>(query: string | QueryEmbeddings, documents: readonly T[], options: AnyBudget<T> = {}): Promise<RerankOutput<T, number | null>> {
    const own = this.own();
    return own.calls.rerank(own, query, documents, options);
  }

  /**
   * Ranks a list that comes page after page: each page is merged into the order so far, which is that of a ranking of all at once. Documents of pages before are not
   * encoded again, unless the order depends on the whole list: with `bm25`, `given`, `fuse`, `diversify`, a cut between two other stages, or `explain` after several
   * stages all is ranked anew, and a vector cache spares the encoding.
   *
   * @example
   * const paging = reranker.paging<string>(query, { topK: 10 });
   * await paging.add(["Goethe wrote Faust.", "Bread is baked."]);
   * const { results } = await paging.add(["Faust is a play by Goethe."]);
   */
  paging<T>(query: string | QueryEmbeddings, options: PagingOptions<T> = {}): Paging<T> {
    const own = this.own();
    return own.calls.pagingOf(own, query, options);
  }

  /**
   * What a ranking of documents would take by this model, in one stage: their tokens are counted, and held against what rankings took so far. The first time, before any
   * ranking, some of the documents are ranked for a measurement.
   *
   * @example
   * const { milliseconds } = await reranker.estimate(hits, { text: (hit) => hit.body });
   * if (milliseconds > 2000) hits.length = Math.ceil(hits.length * (2000 / milliseconds));
   */
  async estimate<T>(documents: readonly T[], options: EstimateOptions<T> = {}): Promise<Estimate> {
    const own = this.own();
    return own.calls.estimateOf(own, documents, options);
  }

  /**
   * A query's token embeddings. `tokenPooling` and `longDocuments` are of documents.
   *
   * @example
   * const { values, lengths, dimension } = await reranker.encodeQuery("who wrote Faust?");
   */
  async encodeQuery(query: string, options: EncodeOptions = {}): Promise<TokenEmbeddings> {
    const own = this.own();
    return own.calls.encodeQuery(own, query, options);
  }

  /**
   * Documents' token embeddings, or with `pooling: "mean"` one vector a document.
   *
   * @example
   * const vectors = await reranker.encodeDocuments(pages, { text: (page) => page.body, pooling: "mean" });
   */
  async encodeDocuments<T>(documents: readonly T[], options: EncodeOptions<T> = {}): Promise<TokenEmbeddings> {
    const own = this.own();
    return own.calls.encodeDocuments(own, documents, options);
  }

  /**
   * Pages' embeddings, of a model that reads images: what rankings take as `embeddings`, and lists of embeddings are written of. Its page side is fetched with the first
   * page, and stays in this browser. Pages are read one after the other, and the tiles of each by all workers; a page takes tens of seconds on one core.
   *
   * @example
   * const pages = await reranker.encodePages(files, { onProgress: ({ done, total }) => (bar.value = done / total) });
   * const { results } = await reranker.rerank("what did it cost?", pages, { embeddings: (page) => page });
   */
  async encodePages(pages: readonly GivenPage[], options: EncodePagesOptions = {}): Promise<DocumentEmbeddings[]> {
    const own = this.own();
    return own.calls.encodePages(own, pages, options);
  }

  /**
   * What encoding pages would take, by their sizes. The first time, before any page was encoded, the page side is fetched and a tile encoded for a measurement.
   *
   * @example
   * const { milliseconds } = await reranker.estimatePages(files.map(() => ({ width: 1240, height: 1754 })));
   */
  async estimatePages(pages: readonly (PageSize | Blob)[], options: EstimatePagesOptions = {}): Promise<PagesEstimate> {
    const own = this.own();
    return own.calls.estimatePages(own, pages, options);
  }

  /**
   * For each query token the document token it matched best; of a page the patch, and a map of how similar all of it is. A page is what `encodePages` gave, or
   * embeddings that a backend sent.
   *
   * @example
   * const { matches } = await reranker.explain(query, text);
   * for (const { document: { start, end }, share } of matches) if (start !== null) mark(start, end, share);
   */
  explain(query: string, document: string, options?: ExplainOptions): Promise<Explanation>;
  explain(query: string, document: GivenEmbeddings, options?: ExplainOptions): Promise<ScoredExplanation>;
  async explain(query: string, document: string | GivenEmbeddings, options: ExplainOptions = {}): Promise<Explanation | ScoredExplanation> {
    const own = this.own();
    return own.calls.explain(own, query, document, options);
  }

  /** Whether the browser has said that it keeps this site's storage, models included, when the disk gets full. With `persist` it was asked to, and is waited for. */
  async persisted(): Promise<boolean> {
    return this.own().persisted;
  }

  /** Ends the workers and frees their memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    const { client, cache } = this.own();
    client.stop(new RerankerError({ code: "DISPOSED", message: "this Reranker was disposed of" }));
    void cache?.store.close();
  }

  [DISPOSE](): void {
    this.dispose();
  }
}

const CALLS = ["rerank", "paging", "estimate", "encodeQuery", "encodeDocuments", "encodePages", "estimatePages", "explain", "persisted", "dispose"] as const;
