/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to MaxSim alone, without a model. */

import { RerankerError } from "../error.js";
import type { Embeddings, MatchOptions, Scorable, ScoredExplanation, ScorerOptions, SimilarityOptions, Simd } from "../types.js";
import type { GivenEmbeddings } from "../vectors.js";
import { DISPOSE } from "./dispose.js";
import { rest } from "./rest.js";
import type { OwnScorer } from "./scorer-calls.js";
import { requireWorkers } from "./surroundings.js";

/**
 * Scores embeddings that are there already by MaxSim, in a worker of this page that loads no model.
 *
 * @example
 * const scorer = await Scorer.load();
 * const scores = await scorer.score(queryRows, { values, lengths, dimension: 128 });
 */
export class Scorer {
  /** The instructions that the engine uses. */
  readonly simd: Simd;
  /** @internal Behind a function, as a Reranker's. */
  readonly own: () => OwnScorer;

  private constructor(own: OwnScorer, simd: Simd) {
    this.own = () => own;
    for (const name of CALLS) Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, configurable: true });
    this.simd = simd;
  }

  /** Fetches the wasm module and starts the worker; nothing else is fetched. */
  static async load(options: ScorerOptions = {}): Promise<Scorer> {
    requireWorkers();
    const { openScorer } = await rest(options);
    const { own, simd } = await openScorer(options);
    return new Scorer(own, simd);
  }

  /**
   * How well each document answers a query: MaxSim, in the documents' order. Documents are as `encodeDocuments` gives them; a list of embeddings in any codec, or its
   * bytes; or each document's embeddings in any form.
   *
   * @example
   * const { values } = await reranker.encodeQuery("who wrote Faust?");
   * const scores = await scorer.score(values, await reranker.encodeDocuments(texts));
   */
  async score(query: Float32Array, documents: Scorable, options: Pick<SimilarityOptions, "signal" | "codecs"> = {}): Promise<Float32Array> {
    const own = this.own();
    return own.calls.score(own, query, documents, options);
  }

  /**
   * Every query with every document: row after row of as many scores as there are documents, a row for each query.
   *
   * @example
   * const scores = await scorer.similarity(queries, documentEmbeddings, { measure: "meanmaxsim" });
   */
  async similarity(queries: Embeddings, documents: Scorable, options: SimilarityOptions = {}): Promise<Float32Array> {
    const own = this.own();
    return own.calls.similarity(own, queries, documents, options);
  }

  /**
   * Which of a document's embeddings is most similar to each of a query's, and of a page image where it lies, with a map of the whole page.
   *
   * @example
   * const { matches, maps } = await scorer.explain(queryRows, { codec: "int8", dimension: 128, embeddings: rows, scales, grid: [32, 32], page: [612, 792] });
   * for (const { patch, similarity } of matches) if (patch) outline(patch.rectangle, similarity);
   */
  async explain(query: Float32Array, document: GivenEmbeddings, options: MatchOptions = {}): Promise<ScoredExplanation> {
    const own = this.own();
    return own.calls.explainRows(own, query, document, options);
  }

  /** Ends the worker and frees its memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.own().client.stop(new RerankerError({ code: "DISPOSED", message: "this Scorer was disposed of" }));
  }

  [DISPOSE](): void {
    this.dispose();
  }
}

const CALLS = ["score", "similarity", "explain", "dispose"] as const;
