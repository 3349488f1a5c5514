/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to the model. */

import { RerankerError } from "./error.js";
import { checkLimits, checkPooling, checkQuery, checkText, checkTopK, checkTotalLength, invalid, textsOf } from "./input.js";
import { ModelCache } from "./model-cache.js";
import { notify } from "./notify.js";
import { checkpointLocation, folderUrl, spawnWorker, wasmUrl } from "./places.js";
import { ProgressMeter } from "./progress-meter.js";
import type { RerankAnswer } from "./protocol.js";
import type {
  CheckpointFiles,
  Device,
  DeviceChoice,
  EncodeOptions,
  Explanation,
  Limits,
  LoadOptions,
  ModelInfo,
  RerankOptions,
  RerankOutput,
  RerankResult,
  TokenEmbeddings,
  Warning,
} from "./types.js";
import { WorkerClient } from "./worker-client.js";

/**
 * A late-interaction model in a worker of this page.
 *
 * @example
 * const reranker = await Reranker.load("/models/all-MiniLM-L6-v2/");
 * const { results } = await reranker.rerank("who wrote Faust?", ["Goethe wrote Faust.", "Bread is baked."], { topK: 1 });
 * console.log(results[0].document, results[0].normalizedScore);
 */
export class Reranker {
  /** What the checkpoint's own files say. */
  readonly model: ModelInfo;
  readonly #client: WorkerClient;
  readonly #limits: Limits;

  private constructor(client: WorkerClient, limits: Limits, model: ModelInfo) {
    this.#client = client;
    this.#limits = limits;
    this.model = model;
  }

  /**
   * Loads a checkpoint from a folder's address, or from files that the page has.
   *
   * @example
   * const reranker = await Reranker.load("/models/my-colbert/", { onProgress: ({ progress }) => (bar.value = progress) });
   */
  static async load(source: string | URL | CheckpointFiles, options: LoadOptions = {}): Promise<Reranker> {
    const { signal, onProgress, onWarning, workerUrl } = options;
    signal?.throwIfAborted();
    const limits = checkLimits(options.limits);
    const meter = new ProgressMeter(onProgress);
    const client = new WorkerClient({
      spawn: () => spawnWorker(workerUrl),
      load: { wasm: wasmUrl(options.wasmUrl), checkpoint: checkpointLocation(source, options), device: checkDevice(options.device), resume: false },
      queue: limits.queue,
      onProgress: (progress) => meter.report(progress),
      onWarning: (warning) => notify(onWarning, warning),
    });
    const abort = () => client.stop(signal?.reason);
    signal?.addEventListener("abort", abort);
    try {
      const { model } = await client.load();
      meter.ready();
      return new Reranker(client, limits, model);
    } finally {
      meter.stop();
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * Whether {@link Reranker.load} would find the whole model in this browser's storage.
   *
   * @example
   * if (!(await Reranker.isCached("/models/my-colbert/"))) askBeforeDownload();
   */
  static async isCached(source: string | URL, options: { revision?: string } = {}): Promise<boolean> {
    const cache = await openCache(source, options.revision);
    return cache !== undefined && cache.isWhole();
  }

  /**
   * Deletes a model from this browser's storage, and tells whether there was anything to delete.
   *
   * @example
   * await Reranker.deleteCached("/models/my-colbert/");
   */
  static async deleteCached(source: string | URL, options: { revision?: string } = {}): Promise<boolean> {
    const cache = await openCache(source, options.revision);
    return cache !== undefined && cache.discard();
  }

  /** Where the model runs; changes to `cpu` when WebGPU fails later on and the device was left to us. */
  get device(): Device {
    return this.#client.device;
  }

  /** All warnings so far. */
  get warnings(): readonly Warning[] {
    return this.#client.warnings;
  }

  /**
   * Orders documents by how well they answer a query.
   *
   * @example
   * const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, topK: 10 });
   * for (const { rank, document } of results) show(rank, document.title);
   */
  async rerank<T>(query: string, documents: readonly T[], options: RerankOptions<T> = {}): Promise<RerankOutput<T>> {
    const topK = checkTopK(options.topK);
    const texts = this.#textsOf(checkQuery(query, this.#limits), documents, options.text);
    const kept = [...documents];
    const warned = this.warnings.length;
    if (texts.length === 0) {
      this.#client.requireOpen(options.signal);
      return { results: [], timings: { ...NO_TIME }, warnings: [], device: this.device };
    }
    const answer = await this.#client.call("rerank", { query, texts, base: 0, topK, explain: options.explain ?? false }, options);
    return { results: resultsOf(answer, kept), timings: answer.timings, warnings: this.warnings.slice(warned), device: this.device };
  }

  /**
   * A query's token embeddings.
   *
   * @example
   * const { values, lengths, dimension } = await reranker.encodeQuery("who wrote Faust?");
   */
  async encodeQuery(query: string, options: EncodeOptions = {}): Promise<TokenEmbeddings> {
    const texts = [checkQuery(query, this.#limits)];
    return this.#client.call("encode", { kind: "query", texts, pooling: checkPooling(options.pooling) }, options);
  }

  /**
   * Documents' token embeddings, or with `pooling: "mean"` one vector a document.
   *
   * @example
   * const vectors = await reranker.encodeDocuments(pages, { text: (page) => page.body, pooling: "mean" });
   */
  async encodeDocuments<T>(documents: readonly T[], options: EncodeOptions<T> = {}): Promise<TokenEmbeddings> {
    const pooling = checkPooling(options.pooling);
    const texts = this.#textsOf("", documents, options.text);
    if (texts.length === 0) {
      this.#client.requireOpen(options.signal);
      return { values: new Float32Array(), lengths: new Uint32Array(), dimension: this.model.dimension };
    }
    return this.#client.call("encode", { kind: "document", texts, pooling }, options);
  }

  /**
   * For each query token the document token it matched best.
   *
   * @example
   * const { matches } = await reranker.explain(query, text);
   * for (const { document: { start, end }, share } of matches) if (start !== null) mark(start, end, share);
   */
  async explain(query: string, document: string, options: { signal?: AbortSignal } = {}): Promise<Explanation> {
    const request = { query: checkQuery(query, this.#limits), document: checkText(document, "document", this.#limits) };
    return this.#client.call("explain", request, options);
  }

  /** Ends the worker and frees its memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.#client.stop(new RerankerError({ code: "DISPOSED", message: "this Reranker was disposed of" }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #textsOf<T>(query: string, documents: readonly T[], text: ((document: T) => string) | undefined): string[] {
    const texts = textsOf(documents, text, this.#limits);
    checkTotalLength([query, ...texts], this.#limits);
    return texts;
  }
}

const NO_TIME = { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0 };

function resultsOf<T>(answer: RerankAnswer, documents: readonly T[]): RerankResult<T>[] {
  const { indices, scores, queryLength, truncated, explanations } = answer;
  return Array.from(indices, (index, place) => {
    const score = scores[place]!;
    const explanation = explanations?.[place];
    return {
      index,
      rank: place + 1,
      score,
      normalizedScore: score / Math.max(queryLength, 1),
      document: documents[index]!,
      truncated: truncated[place] === 1,
      ...(explanation && { explanation }),
    };
  });
}

function checkDevice(device: DeviceChoice = "auto"): DeviceChoice {
  if (["auto", "cpu", "webgpu"].includes(device)) return device;
  throw invalid('device is none of "auto", "cpu", "webgpu"');
}

/** Undefined where the browser denies storage, so that nothing can be there. */
function openCache(source: string | URL, revision = ""): Promise<ModelCache | undefined> {
  const folder = folderUrl(source);
  return ModelCache.open(folder, revision).catch(() => undefined);
}
