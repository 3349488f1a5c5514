/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to the model. */

import { RerankerError } from "../error.js";
import type { LoadAnswer, LoadRequest } from "../protocol.js";
import type { BudgetOptions, QueryEmbeddings, RerankOptions, RerankOutput } from "../ranking.js";
import { causeOf } from "../storage/failure.js";
import { clearStored, deleteStored, isStored, listStored, type ModelPlace } from "../storage/stored-models.js";
import { deleteVectors } from "../storage/vector-database.js";
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
  Limits,
  LoadOptions,
  ModelInfo,
  Simd,
  StoredModel,
  StoredModelOptions,
  TokenEmbeddings,
  VectorCache,
  VectorCacheOptions,
  Warning,
} from "../types.js";
import { DeviceSwitch } from "./device-switch.js";
import { DocumentCache } from "./document-cache.js";
import { estimate } from "./estimate.js";
import { joined, requireRoomForEmbeddings } from "./fit.js";
import { mayBeSeveral } from "./headcount.js";
import { checkLimits, checkQuery, checkText, checkTotalLength, invalid, listOf, textsOf } from "./input.js";
import { Latest } from "./latest.js";
import { openClient } from "./open-client.js";
import { type AnyBudget, checkEncode, checkEstimate, checkExplain, checkLoad, checkRerank, checkStored, checkVectorCache } from "./options.js";
import { doorTo, type Own } from "./own.js";
import { rank } from "./pipeline.js";
import { engineFor, modelLocation, originOf, storedPlace } from "./places.js";
import { Pool } from "./pool.js";
import { Rate } from "./rate.js";
import { requireWorkers } from "./start-worker.js";
import type { Client } from "./worker-client.js";

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

  private constructor(client: DeviceSwitch, limits: Limits, answer: LoadAnswer, settings: Required<VectorCacheOptions> | undefined) {
    const model = answer.model!;
    const cache = settings && new DocumentCache(model, settings, warningOf(client));
    this.own = doorTo({ client, limits, model, latest: new Latest(), rate: new Rate(model), cache });
    this.vectorCache = { size: async () => cache?.store.size() ?? { memory: 0, stored: 0 }, clear: async () => cache?.store.clear() };
    // So that they work when they are taken out of it: const { rerank } = reranker.
    for (const name of CALLS) Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true });
    this.model = model;
    this.simd = answer.simd;
  }

  /**
   * Loads a checkpoint or a bundle: from a folder's address, from a model hub that is named, or from files that the page has.
   *
   * @example
   * const reranker = await Reranker.load("/models/my-colbert/", { dtype: "q8", onProgress: ({ progress }) => (bar.value = progress) });
   */
  static async load(source: string | URL | CheckpointFiles, options: LoadOptions = {}): Promise<Reranker> {
    requireWorkers();
    const checked = checkLoad(options);
    checked.signal?.throwIfAborted();
    const limits = checkLimits(checked.limits);
    const vectorCache = checkVectorCache(checked.vectorCache);
    const { workers = "auto" } = checked;
    const load = { ...loadRequest(source, checked), share: mayBeSeveral(workers) };
    const { client, answer, gpu, another } = await openClient(load, limits, checked);
    const pool = new Pool(client, { model: answer.model!, workers, queue: limits.queue, another });
    const devices = new DeviceSwitch(pool, answer.gpuKernel, load.device === "auto" ? "only" : "asked", checked.onDeviceChange);
    const start = () => another({ ...(client.copy ?? load), ...engineFor("webgpu", checked), device: "auto" }, (warning) => devices.warn(warning));
    if (load.device === "auto") void gpu.then((adapter) => devices.tryGpu({ adapter, embeddingId: answer.model!.embeddingId, start }));
    return new Reranker(devices, limits, answer, vectorCache);
  }

  /**
   * Whether {@link Reranker.load} with the same options would find the whole model in this browser's storage.
   *
   * @example
   * if (!(await Reranker.isCached("/models/my-colbert/", { dtype: "q8" }))) askBeforeDownload();
   */
  static async isCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    const place = modelPlace(source, options);
    // Where the browser denies storage, nothing can be there.
    return isStored(place).catch(() => false);
  }

  /**
   * All models in this browser's storage, first the one that was used last; downloads that have not ended are among them.
   *
   * @example
   * for (const { source, revision, bytes, usedAt } of await Reranker.cached()) addRow(source, revision, bytes, usedAt);
   */
  static async cached(): Promise<StoredModel[]> {
    return listStored().catch(() => []);
  }

  /**
   * Deletes the model that was loaded with these options from this browser's storage, and tells whether there was anything to delete.
   *
   * @example
   * await Reranker.deleteCached("/models/my-colbert/", { dtype: "q8" });
   */
  static async deleteCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    return deleteStored(modelPlace(source, options)).catch(() => false);
  }

  /**
   * Deletes every version of a model from this browser's storage, whatever options it was loaded with, or without a source every model. Tells whether there was
   * anything to delete. Nothing else of this origin is touched.
   *
   * @example
   * await Reranker.clearCached("owner/name", { hub: "https://huggingface.co" });
   */
  static async clearCached(source?: string | URL, options: Pick<StoredModelOptions, "hub"> = {}): Promise<boolean> {
    return clearStored(source === undefined ? undefined : storedPlace(source, checkStored(options))).catch(() => false);
  }

  /**
   * Deletes the embeddings of all documents, of whatever model, from this browser's storage, where `vectorCache: { persist: true }` has put them. Tells whether
   * there was anything to delete. What is in the memory of pages stays there until they end or clear it.
   *
   * @example
   * await Reranker.clearVectors();
   */
  static async clearVectors(): Promise<boolean> {
    return deleteVectors().catch(() => false);
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
    const { mode = "queue", ...checked } = checkRerank(options);
    if (mode === "queue") return rank(own, query, documents, checked);
    return own.latest.run(checked.signal, (signal) => rank(own, query, documents, { ...checked, signal }));
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
    const { query, text, windows, signal } = checkEstimate(options);
    const texts = textsOf(listOf(documents, own.limits), text, own.limits);
    checkTotalLength(texts, own.limits);
    const asked = query === undefined ? undefined : checkQuery(query, own.limits);
    return estimate(own, texts, { query: asked, windows, signal });
  }

  /**
   * A query's token embeddings. `tokenPooling` and `longDocuments` are of documents.
   *
   * @example
   * const { values, lengths, dimension } = await reranker.encodeQuery("who wrote Faust?");
   */
  async encodeQuery(query: string, options: EncodeOptions = {}): Promise<TokenEmbeddings> {
    const { client, limits } = encoderOf(this.own());
    const { pooling = "none", ...rest } = checkEncode(options);
    const texts = [checkQuery(query, limits)];
    return joined(await client.call("encode", { kind: "query", texts, pooling }, rest));
  }

  /**
   * Documents' token embeddings, or with `pooling: "mean"` one vector a document.
   *
   * @example
   * const vectors = await reranker.encodeDocuments(pages, { text: (page) => page.body, pooling: "mean" });
   */
  async encodeDocuments<T>(documents: readonly T[], options: EncodeOptions<T> = {}): Promise<TokenEmbeddings> {
    const { client, limits, model } = encoderOf(this.own());
    const { pooling = "none", tokenPooling, text, windows, ...rest } = checkEncode(options);
    const texts = textsOf(listOf(documents, limits), text, limits);
    checkTotalLength(texts, limits);
    if (texts.length === 0) {
      client.requireOpen(rest.signal);
      return { values: new Float32Array(), lengths: new Uint32Array(), dimension: model.dimension, truncated: new Uint8Array() };
    }
    requireRoomForEmbeddings(texts, pooling, model, windows);
    return joined(await client.call("encode", { kind: "document", texts, pooling, tokenPooling, windows }, rest));
  }

  /**
   * For each query token the document token it matched best.
   *
   * @example
   * const { matches } = await reranker.explain(query, text);
   * for (const { document: { start, end }, share } of matches) if (start !== null) mark(start, end, share);
   */
  async explain(query: string, document: string, options: ExplainOptions = {}): Promise<Explanation> {
    const { client, limits } = encoderOf(this.own());
    const { signal, windows } = checkExplain(options);
    const request = { query: checkQuery(query, limits), document: checkText(document, "document", limits), windows };
    return client.call("explain", request, { signal });
  }

  /** Ends the workers and frees their memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    const { client, cache } = this.own();
    client.stop(new RerankerError({ code: "DISPOSED", message: "this Reranker was disposed of" }));
    void cache?.store.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Refuses what a cross-encoder cannot do. */
function encoderOf(own: Own): Own {
  if (own.model.kind === "crossEncoder") throw invalid("the model is a cross-encoder, which makes no embeddings", "Load a late-interaction model beside it.");
  return own;
}

/** Warns once, of whatever storage fails with first. */
function warningOf(client: Client): (error: unknown) => void {
  let isWarned = false;
  return async (error) => {
    if (isWarned) return;
    isWarned = true;
    const message = `Embeddings of documents could not be kept in this browser, or read from there (${await causeOf(error)}); those that the page does not hold are encoded again.`;
    client.warn({ code: "VECTOR_CACHE_UNAVAILABLE", message });
  };
}

const CALLS = ["rerank", "estimate", "encodeQuery", "encodeDocuments", "explain", "dispose"] as const;

function loadRequest(source: string | URL | CheckpointFiles, options: LoadOptions): LoadRequest {
  const checkpoint = modelLocation(source, options);
  const { device = "auto", dtype, specialTokens, overrides } = options;
  const convert = dtype && { dtype, ...originOf(source, options) };
  return { ...engineFor(device, options), checkpoint, device, convert, resume: false, ...(specialTokens === "text" && { specialTokens }), ...(overrides && { overrides }) };
}

function modelPlace(source: string | URL, options: StoredModelOptions): ModelPlace {
  const checked = checkStored(options);
  return { ...storedPlace(source, checked), dtype: checked.dtype };
}
