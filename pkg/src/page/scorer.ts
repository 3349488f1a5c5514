/// <reference lib="esnext.disposable" preserve="true" />
/** The page's door to MaxSim alone, without a model. */

import { RerankerError } from "../error.js";
import type { Embeddings, Limits, MatchOptions, ScoredExplanation, ScorerOptions, SimilarityOptions, Simd } from "../types.js";
import type { GivenEmbeddings } from "../vectors.js";
import { copyOfEmbeddings, copyOfOne, requireAllFinite } from "./embeddings.js";
import { checkLimits, invalid } from "./input.js";
import { matchesOf } from "./matches.js";
import { openClient } from "./open-client.js";
import { checkScorer, checkSimilarity } from "./options.js";
import { engineFor } from "./places.js";
import { codecFiles } from "./residual-codec.js";
import { rowsOf, type Scorable, type Scored, scoredOf } from "./scored.js";
import { findCodecsOf } from "./sources.js";
import { requireWorkers } from "./start-worker.js";
import { groupsOf } from "./vector-groups.js";
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
    const load = { ...engineFor("cpu", checked), checkpoint: undefined, device: "cpu", convert: undefined, resume: false } as const;
    const { client, answer } = await openClient(load, limits, checked);
    return new Scorer(client, limits, answer.simd);
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
    const { signal, codecs } = checkSimilarity(options);
    const { limits } = this.own();
    const scored = scoredOf(documents, limits);
    return scoresOf(this.own(), copyOfOne(query, "query", scored.dimension), scored, { mean: false, codecs, signal });
  }

  /**
   * Every query with every document: row after row of as many scores as there are documents, a row for each query.
   *
   * @example
   * const scores = await scorer.similarity(queries, documents, { measure: "meanmaxsim" });
   */
  async similarity(queries: Embeddings, documents: Scorable, options: SimilarityOptions = {}): Promise<Float32Array> {
    const { measure = "maxsim", signal, codecs } = checkSimilarity(options);
    const { limits } = this.own();
    const scored = scoredOf(documents, limits);
    const asked = copyOfEmbeddings(queries, "queries", limits);
    requireAllFinite(asked.values, "queries.values");
    if (asked.dimension !== scored.dimension) throw invalid(`queries.dimension is ${asked.dimension}, and documents.dimension is ${scored.dimension}`);
    return scoresOf(this.own(), asked, scored, { mean: measure === "meanmaxsim", codecs, signal });
  }

  /**
   * Which of a document's embeddings is most similar to each of a query's, and of a page image where it lies, with a map of the whole page.
   *
   * @example
   * const { matches, maps } = await scorer.explain(queryEmbeddings, { codec: "int8", dimension: 128, embeddings, scales, grid: [32, 32], page: [612, 792] });
   * for (const { patch, similarity } of matches) if (patch) outline(patch.rectangle, similarity);
   */
  async explain(query: Float32Array, document: GivenEmbeddings, options: MatchOptions = {}): Promise<ScoredExplanation> {
    const { signal, codecs = [] } = checkSimilarity(options);
    const { client, limits } = this.own();
    const rows = rowsOf(document, limits);
    const { values } = copyOfOne(query, "query", rows.dimension);
    const files = codecFiles(codecs);
    client.requireOpen(signal);
    await findCodecsOf(client, [{ rows, name: "document" }], files, undefined);
    const answer = await client.call("matches", { query: values, document: groupsOf([{ rows, place: 0, index: 0 }]) }, { signal });
    return matchesOf(answer, rows);
  }

  /** Ends the worker and frees its memory. Calls that are open reject with `DISPOSED`. */
  dispose(): void {
    this.own().client.stop(new RerankerError({ code: "DISPOSED", message: "this Scorer was disposed of" }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

interface Asked {
  mean: boolean;
  codecs: SimilarityOptions["codecs"];
  signal: AbortSignal | undefined;
}

async function scoresOf({ client }: { client: WorkerClient }, queries: Embeddings, scored: Scored, { mean, codecs = [], signal }: Asked): Promise<Float32Array> {
  const files = codecFiles(codecs);
  client.requireOpen(signal);
  await findCodecsOf(client, scored.rows, files, undefined);
  return client.call("similarity", { queries, documents: scored.groups(), count: scored.count, mean }, { signal });
}

const CALLS = ["score", "similarity", "explain", "dispose"] as const;
