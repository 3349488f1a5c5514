/** The public types of a ranking: its stages, what goes into `rerank` and what comes out. Times are in milliseconds. */

import type { CallProgress, Device, LongDocumentOptions, ModelInfo, PlacedExplanation, Pooling, TokenPoolingOptions, Warning } from "./types.js";
import type { GivenEmbeddings, ListedEmbeddings, TrainedCodec } from "./vectors.js";

/** What `Reranker.load` gave: a model of its own, in its own worker. */
export interface StageModel {
  readonly model: ModelInfo;
  readonly device: Device;
  dispose(): void;
}

/** What all stages have. */
export interface StageCut {
  /** How many documents stay, the best of this stage; the others are removed. All by default. */
  keep?: number;
}

/** By a score that the documents bring along, such as that of the search that found them. Once in a pipeline. */
export interface GivenStage<T> extends StageCut {
  use: "given";
  /**
   * A document's score: the greater, the better. One without a score (`undefined` or `null`) counts as just below the least of the list. Asked once for each
   * document, before anything is sent.
   */
  score: (document: T) => number | null | undefined;
}

/**
 * By the words that query and document have in common: BM25 in Lucene's form without the factor (k1 + 1). How rare a word is, and the mean length, are counted in
 * the list that is ranked. Words are those of Unicode's segmentation, in lower case, and not stemmed.
 */
export interface Bm25Stage extends StageCut {
  use: "bm25";
  /** How much a word's second occurrence adds, and the third; from 0, where it adds nothing; 0.9. */
  k1?: number;
  /** How much a long document's words count for less: from 0, not at all, to 1; 0.4. */
  b?: number;
  /** Words that do not count; none by default. */
  stopWords?: string[];
}

/** By the cosine of one vector for the query and one for the document. */
export interface DenseStage extends StageCut {
  use: "dense";
  /** What makes a text's vector of its tokens'. Default: `checkpoint` where the checkpoint's own modules make one (`model.pooling`), else `mean`. */
  pooling?: Exclude<Pooling, "none">;
  /** Whose vectors: by default those of the Reranker that is called. */
  model?: StageModel;
}

/** By MaxSim of token embeddings: what a ranking without stages does. */
export interface LateStage extends StageCut {
  use: "late";
  /** By default the Reranker that is called. */
  model?: StageModel;
}

/** By a model that reads query and document together. */
export interface CrossEncoderStage extends StageCut {
  use: "crossEncoder";
  /** By default the Reranker that is called. */
  model?: StageModel;
}

/** One way to rank a list. */
export type Stage<T = unknown> = GivenStage<T> | Bm25Stage | DenseStage | LateStage | CrossEncoderStage;

/** A query whose token embeddings are there already, for the stages `late` and `given`: flat rows of `model.dimension` values, as `encodeQuery` gives them in `values`. */
export interface QueryEmbeddings {
  embeddings: Float32Array;
}

/**
 * One order of two: that of the last stage, and that of the scores which the stage `given` reads, or without one the order that the documents came in. With several
 * models those documents count that reach the last one.
 */
export type Fusion =
  /** By the sum of 1 / (k + rank). `k`: from 0; the smaller, the more the first ranks stand out; 60. A document without a given score gets nothing of that order. */
  | { by: "reciprocalRanks"; k?: number }
  /** By the sum of both scores, each less its list's mean and divided by its standard deviation. */
  | { by: "standardScores" };

export interface RerankOptions<T> extends LongDocumentOptions, TokenPoolingOptions {
  /**
   * How the list is ranked: each stage ranks what the one before it kept. By default by the model that is called: `late`, or `crossEncoder` if it is one.
   *
   * @example
   * await reranker.rerank(query, hits, { stages: [{ use: "dense", keep: 100 }, { use: "late", keep: 20 }, { use: "crossEncoder", model: crossEncoder }], text: (hit) => hit.body });
   */
  stages?: readonly Stage<T>[];
  /** Leaves out documents whose `score` is below it. That of `late` grows with the query: there compare `normalizedScore` of the results. */
  minScore?: number;
  /** Makes one order of the last stage's and the one that was given. Off by default. */
  fuse?: Fusion;
  /**
   * Puts documents in front that are unlike those before them, by maximal marginal relevance over one vector a document: from 1, where only the score counts, to 0,
   * where only the difference does. Off by default. The vectors are those of the last model that is an encoder, the called one's included.
   */
  diversify?: number;
  /** Results to give back; all that are left by default. */
  topK?: number;
  /** Rejects the call at once; the worker leaves its work some milliseconds later. */
  signal?: AbortSignal;
  /**
   * Adds to each result which document token each query token matched, always those of the stage `late`, whichever stage is the last. Results times query tokens
   * may be a million; `topK` holds it down.
   */
  explain?: boolean;
  /** Adds the encoder's parts to the timings, on the CPU. */
  profile?: boolean;
  /**
   * `queue` (default): calls are answered one after the other. `latest`, for queries that are typed: this call ends the one before it that was made with `latest`,
   * which rejects with an `AbortError`, so that answers come in the queries' order and none comes late. Also where this call's query or documents are refused.
   */
  mode?: "queue" | "latest";
  /**
   * The text of a document. By default a document is a string, or an object with a string `text`. One with embeddings needs none, unless a stage reads texts:
   * `bm25`, `dense`, `crossEncoder`, or a stage `late` by another model.
   */
  text?: (document: T) => string | null | undefined;
  /**
   * The embeddings of a document: it is scored by them, and its text, if there is one, is not encoded. They are those of one model, the called one unless their
   * `embeddingId` is another's in `stages`. A document without them (`undefined` or `null`) is encoded. By default those under `embeddings`, which is of any form
   * that {@link GivenEmbeddings} has, or the fields of {@link DocumentEmbeddings} or {@link ShapedEmbeddings} beside the document's own; or one list for all
   * documents, in their order: what `EmbeddingList.from` gives, or the bytes that it reads.
   *
   * @example
   * await reranker.rerank(query, candidates, { embeddings: (candidate) => candidate.vectors });
   */
  embeddings?: ListedEmbeddings | ArrayBuffer | Uint8Array | ((document: T, index: number) => GivenEmbeddings | null | undefined);
  /** What embeddings of the codec `residual` are scored with. Each crosses to the worker once. */
  codecs?: readonly TrainedCodec[];
  /**
   * Hands the buffer of a whole list of embeddings over to the worker instead of copying it: afterwards it is empty on the page. A call whose worker dies is then
   * not tried again. Off by default.
   */
  transfer?: boolean;
  /** A document's name, in results and in messages of errors. By default a string or a number under `id`. */
  id?: (document: T, index: number) => string | number | null | undefined;
  /**
   * Default: as the model was loaded. `false`: this call neither reads nor fills the vector cache of any model. Stages other than `late`, `bm25` and `given` need more
   * of a document than is kept: beside one of them a model's stage `late` is as without a cache.
   */
  vectorCache?: boolean;
  /** Of all stages together. */
  onProgress?: (progress: CallProgress) => void;
  /**
   * Called whenever some documents are scored, with the list as it is by then, and at last with that of the answer. Documents are scored from the top of the list
   * down. `fuse` and `diversify` come at the end.
   */
  onPartial?: (partial: PartialResults<T>) => void;
}

/** Of a ranking that may end before all documents are scored. */
export interface BudgetOptions<T> extends RerankOptions<T> {
  /**
   * Milliseconds from the call on, those included that it waits behind others. Then it answers with what is scored, best first, and behind that the other documents
   * in the order they had, whose `score` is `null`; `warnings` say `BUDGET_ENDED`, and how many those are. It answers some milliseconds late: what is computed of a
   * batch so far is given up between two layers of the model. `minScore` leaves no document out that was not scored; there is no `explanation` of one, nor of those
   * that another model, or another pass, would have been needed for.
   */
  budgetMs: number;
}

/** A document of a list that is not all scored. */
export interface PartialResult<T> {
  /** Place in the list that was given, from 0. */
  index: number;
  /** Place in the order so far, from 1. */
  rank: number;
  /** As in {@link RerankResult}; `null` for one that the last stage has not scored. Those follow, in the order that they came in or that an earlier stage gave them. */
  score: number | null;
  normalizedScore: number | null;
  /** The caller's own object. */
  document: T;
  /** The document's own name, if it has one. */
  id?: string;
}

/** How far a ranking has come. */
export interface PartialResults<T> {
  results: PartialResult<T>[];
  /** Documents that the last stage has scored, of all that it ranks. */
  scored: number;
  total: number;
}

/**
 * Milliseconds that a call spent in each part, measured in the workers; where several read a list, in the one that was at it for longest. Waiting behind other calls
 * does not count.
 */
export interface Timings {
  tokenize: number;
  encode: number;
  score: number;
  explain: number;
  total: number;
  /** Of each stage, in their order. Stages of one encoder share a pass over the texts, which counts for the first of them. */
  stages: number[];
  /** Documents whose embeddings the vector cache had, and those that it was asked for and had not; only where there is one. */
  cacheHits?: number;
  cacheMisses?: number;
  /** Where the time of `encode` went, if `profile` asked for it; zeros on WebGPU. */
  encoder?: EncoderTimings;
}

/** Milliseconds of the encoder's parts. */
export interface EncoderTimings {
  products: number;
  attention: number;
  /** LayerNorm and L2 normalisation, with residuals. */
  norms: number;
  /** Quantization of activations, with the function in front of it. */
  quantize: number;
}

/** What a stage made of a document. */
export interface StageResult {
  use: Stage["use"];
  /** Place in this stage's order, from 1. */
  rank: number;
  /** See {@link RerankResult.score}. */
  score: number;
}

/** `S`: `number`, or with a budget `number | null`. */
export interface RerankResult<T, S extends number | null = number> {
  /** Place in the list that was given, from 0. */
  index: number;
  /** Place in the new order, from 1. */
  rank: number;
  /**
   * Of the last stage. `late`: MaxSim, the sum over query tokens of the best similarity, which grows with the query's length. `dense`: the cosine, in [-1, 1].
   * `crossEncoder`: what the model's activation gives, from 0 to 1 for a sigmoid. `bm25`: from 0, without an upper bound. `given`: the document's own, or just below the least where it has none.
   * `null` where there was no time.
   */
  score: S;
  /**
   * The one to compare with a threshold. `late`: `score` over the number of query embeddings, in [-1, 1] if the model's embeddings are `normalized`. `bm25`: over the
   * most that the query's words can give, from 0 to 1. Else `score`.
   */
  normalizedScore: S;
  /** What the order was made by, if `fuse` made it. */
  fused?: number;
  /** Each stage's that had time for it, in their order. */
  stages: StageResult[];
  /** The caller's own object. */
  document: T;
  /** The document's own name, if it has one. */
  id?: string;
  /** The text was longer than what was read of it, in some stage; the rest played no part there. */
  truncated: boolean;
  /** Place in the list that was given of the first document with the same text, if a model has read both: only that one was encoded. Not of one that brought embeddings. */
  sameAs?: number;
  /** Of a document that brought a page image's embeddings also where on the page each match lies. */
  explanation?: PlacedExplanation;
}

export interface RerankOutput<T, S extends number | null = number> {
  /** Best first; equal scores keep the order they came in. */
  results: RerankResult<T, S>[];
  timings: Timings;
  /** Those that arose during this call. */
  warnings: Warning[];
  /** Of the Reranker that was called. */
  device: Device;
  /** The query was longer than some stage's model reads; `warnings` say `QUERY_TRUNCATED`. */
  queryTruncated: boolean;
}

/** As for one ranking of the whole list; embeddings that come along are found by a function, or in the documents. */
export interface PagingOptions<T> extends Omit<RerankOptions<T>, "embeddings" | "mode" | "onPartial" | "onProgress" | "signal" | "transfer"> {
  embeddings?: (document: T, index: number) => GivenEmbeddings | null | undefined;
}

export type PageOptions = Pick<RerankOptions<unknown>, "signal" | "onProgress">;

/** A list that comes page after page, ranked as far as it has come. */
export interface Paging<T> {
  /**
   * Ranks more documents and gives the order of all so far, as ranking them at once would: `index` counts from the first page's start, and only `sameAs` is told within a
   * page alone. `timings` and `warnings` are those of this page. Pages are taken one after the other; one that fails adds nothing and may be added again.
   */
  add(documents: readonly T[], options?: PageOptions): Promise<RerankOutput<T>>;
}
