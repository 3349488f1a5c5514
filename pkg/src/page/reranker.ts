/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to the model. */

import { RerankerError } from "../error.js";
import type { LoadAnswer, LoadRequest, RerankAnswer } from "../protocol.js";
import { ModelCache } from "../storage/model-cache.js";
import type {
  CheckpointFiles,
  Device,
  Dtype,
  EncodeOptions,
  Explanation,
  Limits,
  LoadOptions,
  ModelInfo,
  RerankOptions,
  RerankOutput,
  RerankResult,
  Simd,
  StoredModelOptions,
  TokenEmbeddings,
  Warning,
} from "../types.js";
import { joined, requireRoomForEmbeddings, requireRoomForExplanations } from "./fit.js";
import { checkLimits, checkPooling, checkQuery, checkText, checkTopK, checkTotalLength, checkWord, textsOf } from "./input.js";
import { notify } from "./notify.js";
import { folderUrl, modelLocation, originOf, spawnWorker, wasmUrl } from "./places.js";
import { ProgressMeter } from "./progress-meter.js";
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
  /** What the model's own files say. */
  readonly model: ModelInfo;
  /** The instructions that the engine uses on the CPU. */
  readonly simd: Simd;
  readonly #client: WorkerClient;
  readonly #limits: Limits;

  private constructor(client: WorkerClient, limits: Limits, { model, simd }: LoadAnswer) {
    this.#client = client;
    this.#limits = limits;
    this.model = model;
    this.simd = simd;
  }

  /**
   * Loads a checkpoint or a bundle: from a folder's address, from a model hub that is named, or from files that the page has.
   *
   * @example
   * const reranker = await Reranker.load("/models/my-colbert/", { dtype: "q8", onProgress: ({ progress }) => (bar.value = progress) });
   */
  static async load(source: string | URL | CheckpointFiles, options: LoadOptions = {}): Promise<Reranker> {
    const { signal, onProgress, onWarning, workerUrl } = options;
    signal?.throwIfAborted();
    const limits = checkLimits(options.limits);
    const meter = new ProgressMeter(onProgress);
    const client = new WorkerClient({
      spawn: () => spawnWorker(workerUrl),
      load: loadRequest(source, options),
      queue: limits.queue,
      silence: limits.silence,
      onProgress: (progress) => meter.report(progress),
      onWarning: (warning) => notify(onWarning, warning),
    });
    const abort = () => client.stop(signal?.reason);
    signal?.addEventListener("abort", abort);
    try {
      // The caller's own code ran since the first look, in getters, and runs once more when it hears that all is ready.
      signal?.throwIfAborted();
      const answer = await client.load();
      meter.ready();
      signal?.throwIfAborted();
      return new Reranker(client, limits, answer);
    } finally {
      meter.stop();
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * Whether {@link Reranker.load} with the same options would find the whole model in this browser's storage.
   *
   * @example
   * if (!(await Reranker.isCached("/models/my-colbert/", { dtype: "q8" }))) askBeforeDownload();
   */
  static async isCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    const cache = await openCache(source, options);
    return cache !== undefined && cache.isWhole();
  }

  /**
   * Deletes the model that was loaded with these options from this browser's storage, and tells whether there was anything to delete.
   *
   * @example
   * await Reranker.deleteCached("/models/my-colbert/", { dtype: "q8" });
   */
  static async deleteCached(source: string | URL, options: StoredModelOptions = {}): Promise<boolean> {
    const cache = await openCache(source, options);
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
    const asked = checkTopK(options.topK);
    const texts = this.#textsOf(checkQuery(query, this.#limits), documents, options.text);
    const kept = [...documents];
    const warned = this.warnings.length;
    if (texts.length === 0) {
      this.#client.requireOpen(options.signal);
      return { results: [], timings: { ...NO_TIME }, warnings: [], device: this.device, queryTruncated: false };
    }
    const topK = Math.min(asked ?? texts.length, texts.length);
    if (options.explain) requireRoomForExplanations(query, topK, this.model);
    const answer = await this.#client.call("rerank", { query, texts, base: 0, topK, explain: options.explain ?? false, profile: options.profile ?? false }, options);
    const { timings, queryTruncated } = answer;
    const warnings = this.warnings.slice(warned);
    if (queryTruncated) warnings.push(queryWasCut(this.model));
    return { results: resultsOf(answer, kept), timings, warnings, device: this.device, queryTruncated };
  }

  /**
   * A query's token embeddings.
   *
   * @example
   * const { values, lengths, dimension } = await reranker.encodeQuery("who wrote Faust?");
   */
  async encodeQuery(query: string, options: EncodeOptions = {}): Promise<TokenEmbeddings> {
    const texts = [checkQuery(query, this.#limits)];
    return joined(await this.#client.call("encode", { kind: "query", texts, pooling: checkPooling(options.pooling) }, options));
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
      return { values: new Float32Array(), lengths: new Uint32Array(), dimension: this.model.dimension, truncated: new Uint8Array() };
    }
    requireRoomForEmbeddings(texts, pooling, this.model);
    return joined(await this.#client.call("encode", { kind: "document", texts, pooling }, options));
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
      normalizedScore: normalized(score, queryLength),
      document: documents[index]!,
      truncated: truncated[place] === 1,
      ...(explanation && { explanation }),
    };
  });
}

/** Each query token adds at most 1; what rounding adds is taken off. */
function normalized(score: number, queryLength: number): number {
  return Math.min(Math.max(score / Math.max(queryLength, 1), -1), 1);
}

/** Of one call and no other, so that `Reranker.warnings` do not keep it. */
function queryWasCut({ queryLength }: ModelInfo): Warning {
  return { code: "QUERY_TRUNCATED", message: `the query is longer than the ${queryLength} tokens that the model reads; the rest of it played no part` };
}

function loadRequest(source: string | URL | CheckpointFiles, options: LoadOptions): LoadRequest {
  const checkpoint = modelLocation(source, options);
  const dtype = checkDtype(options.dtype);
  const device = checkWord(options.device ?? "auto", ["auto", "cpu", "webgpu"], "device");
  const convert = dtype && { dtype, ...originOf(source, options) };
  return { wasm: wasmUrl(options), checkpoint, device, convert, resume: false };
}

function checkDtype(dtype: Dtype | undefined): Dtype | undefined {
  return dtype === undefined ? undefined : checkWord<Dtype>(dtype, ["f32", "f16", "q8", "q4"], "dtype");
}

/** Undefined where the browser denies storage, so that nothing can be there. */
function openCache(source: string | URL, options: StoredModelOptions): Promise<ModelCache | undefined> {
  const place = { url: folderUrl(source, options), revision: options.revision ?? "", dtype: checkDtype(options.dtype) };
  return ModelCache.open(place).catch(() => undefined);
}
