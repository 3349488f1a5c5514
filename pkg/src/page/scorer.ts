/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to MaxSim alone, without a model. */

import { RerankerError } from "../error.js";
import type { Embeddings, Limits, ScorerOptions, SimilarityOptions, Simd } from "../types.js";
import { copyOfEmbeddings, copyOfOne, requireAllFinite } from "./embeddings.js";
import { checkLimits, invalid } from "./input.js";
import { openClient } from "./open-client.js";
import { checkScorer, checkSimilarity } from "./options.js";
import { wasmUrl } from "./places.js";
import { requireWorkers } from "./start-worker.js";
import type { WorkerClient } from "./worker-client.js";

/**
 * Scores embeddings that are there already by MaxSim, in a worker of this page that loads no model.
 *
 * @example
 * const scorer = await Scorer.load();
 * const scores = await scorer.score(queryEmbeddings, { values, lengths, dimension: 128 });
 */
export class Scorer {
  /** The instructions that the engine uses. */
  readonly simd: Simd;
  /** @internal Behind a function, as a Reranker's. */
  readonly own: () => { client: WorkerClient; limits: Limits };

  private constructor(client: WorkerClient, limits: Limits, simd: Simd) {
    const own = { client, limits };
    this.own = () => own;
    for (const name of CALLS) Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true });
    this.simd = simd;
  }

  /** Fetches the wasm module and starts the worker; nothing else is fetched. */
  static async load(options: ScorerOptions = {}): Promise<Scorer> {
    requireWorkers();
    const checked = checkScorer(options);
    checked.signal?.throwIfAborted();
    const limits = checkLimits(checked.limits);
    const load = { wasm: wasmUrl(checked), checkpoint: undefined, device: "cpu", convert: undefined, resume: false } as const;
    const { client, answer } = await openClient(load, limits, checked);
    return new Scorer(client, limits, answer.simd);
  }

  /**
   * How well each document answers a query: MaxSim, in the documents' order.
   *
   * @example
   * const { values } = await reranker.encodeQuery("who wrote Faust?");
   * const scores = await scorer.score(values, await reranker.encodeDocuments(texts));
   */
  async score(query: Float32Array, documents: Embeddings, options: Pick<SimilarityOptions, "signal"> = {}): Promise<Float32Array> {
    const { signal } = checkSimilarity(options);
    const { client, limits } = this.own();
    const scored = copyOfEmbeddings(documents, "documents", limits);
    return client.call("similarity", { queries: copyOfOne(query, "query", scored.dimension), documents: scored, mean: false }, { signal });
  }

  /**
   * Every query with every document: row after row of `documents.lengths.length` scores, a row for each query.
   *
   * @example
   * const scores = await scorer.similarity(queries, documents, { measure: "meanmaxsim" });
   */
  async similarity(queries: Embeddings, documents: Embeddings, options: SimilarityOptions = {}): Promise<Float32Array> {
    const { measure = "maxsim", signal } = checkSimilarity(options);
    const { client, limits } = this.own();
    const scored = copyOfEmbeddings(documents, "documents", limits);
    const asked = copyOfEmbeddings(queries, "queries", limits);
    requireAllFinite(asked.values, "queries.values");
    if (asked.dimension !== scored.dimension) throw invalid(`queries.dimension is ${asked.dimension}, and documents.dimension is ${scored.dimension}`);
    return client.call("similarity", { queries: asked, documents: scored, mean: measure === "meanmaxsim" }, { signal });
  }

  /** Ends the worker and frees its memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.own().client.stop(new RerankerError({ code: "DISPOSED", message: "this Scorer was disposed of" }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const CALLS = ["score", "similarity", "dispose"] as const;
