/** The public types: what goes into a {@link Reranker} and what comes out. Lengths of text are in UTF-16 units, times in milliseconds. */

import type { GivenEmbeddings, ListedEmbeddings, TrainedCodec } from "./vectors.js";

/** Where the model runs: `auto` takes WebGPU when it is there and gives right numbers, else the CPU. */
export type DeviceChoice = "auto" | "cpu" | "webgpu";

/** Where the model does run. */
export type Device = "cpu" | "webgpu";

/** How fast a device was found to be with this model. */
export interface DeviceSpeed {
  device: Device;
  /** Workers that were at work at once. */
  workers: number;
  /** Tokens that all of them computed a second, of a warm batch. */
  tokensPerSecond: number;
}

/** Where the next call runs, and why. */
export interface ChosenDevice {
  device: Device;
  /** Workers that are there for a call: as many more start as `workers` allows once calls are long enough. */
  workers: number;
  /** How the GPU multiplies, if it is the device; see `GpuKernel`. */
  kernel?: string;
  /** What was measured, the fastest first; empty where nothing was. */
  candidates: DeviceSpeed[];
  /**
   * `asked`: it was named. `only`: there is no other. `first`: another is still to be tried. `measured`: now, or in the visit that `measuredAt` is of. `failed`: the
   * other one was tried and does not do; `reranker.warnings` says why.
   */
  why: "asked" | "only" | "first" | "measured" | "failed";
  measuredAt?: Date;
}

/** The device of the calls to come, and of those so far. */
export interface DeviceChange {
  device: Device;
  previous: Device;
}

/** How the weights are stored: floats of 32 or 16 bits, or integers of 7 bits with a scale for each 64 of them, or of 4 bits with one for each 32. */
export type Dtype = "f32" | "f16" | "q8" | "q4";

/** The instructions that the engine uses on the CPU: those that every browser has, or relaxed SIMD as well. */
export type Simd = "simd128" | "relaxed";

/** How matrix products are computed on the GPU. */
export interface GpuKernel {
  /** The kernel's name, e.g. `registers`, or `64x128-f16`: rows and columns of a tile in workgroup memory, in half floats. */
  variant: string;
  /** Milliseconds of a layer's products, of 1,024 tokens, by each kernel that was timed on this adapter, the fastest first; empty where an earlier visit had found out. */
  trials: { variant: string; ms: number }[];
}

/** What becomes of special tokens that a text spells out, such as `[MASK]`, `[SEP]` or a marker: those tokens, or text like any other. */
export type SpecialTokens = "parse" | "text";

/** Files of a checkpoint or of a bundle by their path in its folder, for pages that fetch them by their own means. Buffers are copied at once. */
export type CheckpointFiles = Record<string, Blob | ArrayBuffer | Uint8Array>;

/** Something the caller should know that does not stop the work. `code` is stable, `message` is for people. */
export interface Warning {
  code: string;
  message: string;
}

/** How far a load has come. `loaded` and `total` are exact bytes of the files that are read. */
export interface Progress {
  phase: "compile" | "download" | "convert" | "load" | "check" | "ready";
  /** The file that bytes are arriving for. */
  file?: string;
  /** Never falls. */
  loaded: number;
  /** 0 until the size of every file is known; never changes after that. */
  total: number;
  /** From 0 to 1, never falls; 1 exactly once, with the phase `ready`. The last tenth stands for the work after the download. */
  progress: number;
  /** Every byte so far came from this browser's storage. */
  fromCache: boolean;
}

/** What a call may ask for at most. */
export interface Limits {
  /** Documents a call; 1,000. */
  documents: number;
  /** UTF-16 units a text; 1,048,576. */
  textLength: number;
  /** UTF-16 units a call; 16,777,216. */
  totalLength: number;
  /** Bytes of embeddings a call, as they are held and not as base64 or JSON; 268,435,456. */
  embeddingBytes: number;
  /** Calls that run or wait at one time; one more is refused with `BUSY`; 32. */
  queue: number;
  /** Pixels a page; 67,108,864. */
  pagePixels: number;
  /** Milliseconds that the worker may give no sign of life while it starts or has work: then it is replaced like one that died; 10,000. It gives one each second. */
  silence: number;
}

/**
 * Settings in place of the checkpoint's own, under the names of PyLate's constructor; what is left out stays as the checkpoint has it. One that does not go with
 * the checkpoint fails with `INVALID_INPUT` and its name. They change the embeddings, and with them those of `ModelInfo` that they are about.
 */
export interface Overrides {
  /**
   * Put before each query. In a folder of PyLate or of Stanford's ColBERT it is one token of the vocabulary, such as `"[Q] "`, else any text (`prompts` of
   * sentence-transformers); `""` for none.
   */
  queryPrefix?: string;
  /** Put before each document, as `queryPrefix` is. */
  documentPrefix?: string;
  /** Most tokens of a query, special tokens included: from 1 to the number of the model's positions. With expansion to a fixed length that length too. */
  queryLength?: number;
  /** Most tokens of a document, special tokens included: from 1 to the number of the model's positions. */
  documentLength?: number;
  /** Whether short queries are filled up with mask tokens, whose embeddings count as all others do. */
  doQueryExpansion?: boolean;
  /** Tokens that queries are filled up to, if not to `queryLength`: `length` of sentence-transformers' `query_expansion` with the strategy `min`. */
  expansionLength?: number;
  /** What queries are filled up with, by default the mask token. */
  expansionToken?: string;
  /** Whether the other tokens attend to those that a query was filled up with. */
  attendToExpansionTokens?: boolean;
  /** Tokens that yield no embedding: of documents, unless the checkpoint says otherwise. Words that are no token of the vocabulary are left out, with a warning; `[]` for none. */
  skiplistWords?: string[];
  /**
   * Values of an embedding that are kept, the first ones, before it is made a unit vector: from 1 to the model's own `dimension`. What that costs is up to the
   * checkpoint, hence the warning `EMBEDDINGS_TRUNCATED`; some are trained for it. The one vector of `pooling: "checkpoint"` is cut too, and not made a unit
   * vector again, as in sentence-transformers.
   */
  truncateDim?: number;
}

/**
 * Keeps the embeddings of documents for the next query, so that only those are encoded that were not seen before. What is kept are hashes of texts and codes of
 * embeddings, no texts; but whoever has a document's embeddings and the model can tell much of what it says.
 */
export interface VectorCacheOptions {
  /** Bytes in the page's memory, and with `persist` as many in this browser's storage, for all models there together; 32,000,000. What was not used for longest goes first. */
  maxBytes?: number;
  /** Keeps them in this browser's storage (IndexedDB) too, for the next visit and other tabs. Off by default: then they go with the page. */
  persist?: boolean;
  /** How they are kept; `int8` by default. All documents are scored in it, those that were just encoded too, so that no score depends on what was asked before. */
  codec?: "f32" | "f16" | "int8" | "binary";
}

/** Bytes of what a vector cache holds. */
export interface VectorCacheSize {
  memory: number;
  /** In this browser's storage, of all models there; 0 without `persist`. */
  stored: number;
}

/** What a {@link Reranker} keeps of documents. */
export interface VectorCache {
  size(): Promise<VectorCacheSize>;
  /** Forgets all of it, in this browser's storage too with `persist`. What calls encode that are under way is not kept. Rejects where storage could not be cleared. */
  clear(): Promise<void>;
}

export interface LoadOptions {
  /**
   * Default `auto`: the load ends when the CPU can answer, and a GPU is tried after that; it takes over where it computes what the CPU does, and faster. With
   * `webgpu` a load without a usable GPU fails.
   */
  device?: DeviceChoice;
  /** Called when the device changes that was left to us: to a GPU that was found good, between two calls, or back to the CPU where it fails. */
  onDeviceChange?: (change: DeviceChange) => void;
  /**
   * Default: as the files have it. Otherwise a checkpoint is converted in the worker, once where it can be kept, and a bundle must be of this type: nothing is
   * converted twice.
   */
  dtype?: Dtype;
  /**
   * Default `parse`, as in the reference libraries: a text that spells out a special token gets that token. With `text` it does not, so that nobody can write
   * a document which holds them; the markers that the model puts before texts stay.
   */
  specialTokens?: SpecialTokens;
  /** Settings in place of the checkpoint's own. What is kept in the browser's storage does not depend on them. */
  overrides?: Overrides;
  /** Default `auto`: the module with relaxed SIMD where the browser has it. `simd128` forces the other one; either gives the same numbers. */
  simd?: "auto" | "simd128";
  /**
   * Most workers, each of which takes a core and a model's memory. A list of texts that is long enough is cut and read by all of them; the numbers are the same to the
   * bit, however many there are. The others start once the first has given a first result. By default `auto`: as many as there are cores and memory for, 8 at most, and
   * as calls turn out to be faster with. On the CPU alone.
   */
  workers?: "auto" | number;
  /** Called at most 20 times a second, never after an abort. */
  onProgress?: (progress: Progress) => void;
  /** Called for each warning, during the load and after it. */
  onWarning?: (warning: Warning) => void;
  /** Ends the load at once, network requests included. */
  signal?: AbortSignal;
  /**
   * `use` (default) reads and fills the browser's storage: a model that is there is loaded without a request, whatever has become of it on the server. `reload`
   * fetches all of it anew, and replaces what is there once that has loaded. `off` leaves storage alone.
   */
  cache?: "use" | "reload" | "off";
  /** Keeps the embeddings of documents for the next query. Off by default: nothing is kept of a call once it is answered. */
  vectorCache?: boolean | VectorCacheOptions;
  /**
   * A label for the model's version. It is part of the cache key, not of any address: change it when files change under the same address. With `hub` it is the
   * branch, tag or commit to load, `main` by default.
   */
  revision?: string;
  /** Address of a model hub. The source is then a model's id there, `owner/name`, and its files are at `{hub}/{id}/resolve/{revision}/`. */
  hub?: string | URL;
  /**
   * Asks the browser not to clear this site's storage when the disk gets full, models included; `persisted()` tells what it said. Off by default: Firefox puts the
   * question to the user, so ask where it makes sense to them.
   */
  persist?: boolean;
  /** Sent with each request for a file of the model. What is kept is found again with the same ones only; of them a hash is stored. */
  headers?: HeadersInit;
  /** Address of `tabrank/worker`, where the bundler or the server puts it elsewhere. */
  workerUrl?: string | URL;
  /** Address of `tabrank/tabrank.wasm` or `tabrank/tabrank-relaxed.wasm`, where they are put elsewhere; the one that is named is used, whatever `simd` says. */
  wasmUrl?: string | URL;
  /** Address of `tabrank/tabrank-gpu.wasm`, which has both devices and is fetched only where there is a GPU, where it is put elsewhere. */
  gpuWasmUrl?: string | URL;
  /** Address of `tabrank/tabrank-images.wasm`, which is fetched with the first page in a file that browsers decode otherwise than models expect, where it is put elsewhere. */
  imagesWasmUrl?: string | URL;
  limits?: Partial<Limits>;
}

/** See {@link LoadOptions}. */
export interface PreloadOptions extends Pick<LoadOptions, "dtype" | "revision" | "hub" | "headers" | "persist" | "onProgress" | "onWarning" | "signal" | "simd" | "workerUrl" | "wasmUrl" | "limits"> {
  /** Brings the side of the model that reads pages too, where it has one that is kept apart; false. */
  pages?: boolean;
}

/** What has become of a model that was to be stored. */
export interface Preloaded {
  /** Whether a load finds all of it; `onWarning` hears why not. */
  stored: boolean;
  /** Of its files in this browser's storage. */
  bytes: number;
  /** Whether the browser has said that it keeps this site's storage; false where it has not answered within a second. */
  persisted: boolean;
}

export interface ProbeOptions extends StoredModelOptions, Pick<LoadOptions, "signal"> {}

/** What a load would find here. */
export interface Probe {
  /** Instructions of the CPU. */
  simd: Simd;
  /** Cores that the browser tells of. */
  cores: number;
  /** WebGPU, as `device: "auto"` would find it: the GPU's name as far as the browser gives it, or why there is none to try. Whether it computes right numbers shows in a load. */
  gpu: { adapter: string } | { unavailable: string };
  storage: {
    /** Whether the browser has said that it keeps this site's storage. */
    persisted: boolean;
    /** Bytes that this site has stored, and may store, by the browser's estimate. */
    usage?: number;
    quota?: number;
  };
  /** Of the source, if one was named. */
  model?: ProbedModel;
}

export interface ProbedModel {
  /** Whether a load with these options finds all of it in this browser's storage. */
  stored: boolean;
  /** What is stored of it if `stored`, else of the download: all files of a bundle, the weights of a checkpoint; undefined where the server does not say. */
  bytes?: number;
  /** Of a bundle that is not stored: the type of its weights. */
  dtype?: Dtype;
  /** Of a bundle that has a side for pages, which a load does not bring: whether it is stored, and its bytes. */
  pages?: { stored: boolean; bytes: number };
  /** How fast an earlier visit found it to be here, in the last 30 days; undefined where none ranked enough to tell. `estimate` of a loaded model tells what documents take. */
  speed?: DeviceSpeed;
}

/** Names a model in this browser's storage: the options that it was loaded with. */
export type StoredModelOptions = Pick<LoadOptions, "revision" | "hub" | "dtype" | "headers">;

/** A version of a model in this browser's storage. With `source` and these options it was loaded. */
export interface StoredModel {
  /** The folder's address without what may be secret in it, its query; with `hub` the model's id. */
  source: string;
  hub?: string;
  /** As it was asked for; with `hub` and nothing asked for, `main`. */
  revision: string;
  /** As it was asked for. */
  dtype?: Dtype;
  /** Of the side that reads pages, which is stored by itself. */
  part?: "pages";
  /** The commit that the hub had for the revision when the files were fetched, where it names one. */
  commit?: string;
  /** Of its files. Versions share what they have in common, so together they may take less. */
  bytes: number;
  storedAt: Date;
  /** When it was last loaded. */
  usedAt: Date;
  /** False for a download that has not ended, and where the browser has deleted a part. */
  complete: boolean;
}

/** The side of a model that reads pages. Of a bundle it is no part of a load, and is fetched with the first page; of a checkpoint, and of what is converted here, it is. */
export interface PageSide {
  /** The edge that pages are brought to, unless a call says otherwise. */
  longestEdge: number;
  /** Of the square that the vision tower sees at once. */
  tileSize: number;
  /** Of its weights. */
  bytes: number;
}

/** What the checkpoint's own files say. */
export interface ModelInfo {
  /** How it ranks: by embeddings, which queries and documents have each by itself, or by a score for each query and document that are read together. */
  kind: "lateInteraction" | "crossEncoder";
  architecture: string;
  /** Whether it was trained for late interaction: false for a plain encoder, whose last hidden states are used as they are, and for a cross-encoder. */
  lateInteraction: boolean;
  /** Width of a token's embedding; 0 of a cross-encoder. */
  dimension: number;
  /**
   * Embeddings are unit vectors, as nearly all models' are, so that similarities and normalized scores lie in [-1, 1]. So they do of a model that weighs a query's tokens:
   * its query's embeddings are no longer than 1 all together.
   */
  normalized: boolean;
  /** Documents are pages: it reads texts of queries alone, and documents are given by their embeddings. A document's text is refused (`INVALID_INPUT`). */
  pagesOnly: boolean;
  /** What a score of `late` is: the sum of the query tokens' greatest similarities, or their mean. */
  similarity: SimilarityMeasure;
  layers: number;
  hiddenSize: number;
  vocabularySize: number;
  /** Tokens a query is cut to; of a cross-encoder query and document together are, the longer of the two first. */
  queryLength: number;
  /** Tokens a document is cut to; of a cross-encoder as `queryLength`. */
  documentLength: number;
  /** Queries are filled up with mask tokens. */
  queryExpansion: boolean;
  /** How the checkpoint's own modules pool a text, which is what `pooling: "checkpoint"` does; `null`: not at all, or in another way. */
  pooling: "mean" | "cls" | null;
  /**
   * The function that a cross-encoder's scores come out of, by its class in `torch.nn`: of `Sigmoid` they lie between 0 and 1, of `Tanh` between -1 and 1, of
   * `Identity` they are any numbers; `null` where scores are sums of similarities.
   */
  activation: string | null;
  weightBytes: number;
  dtype: Dtype;
  /**
   * Names all that embeddings depend on: the weights as stored (so every `dtype` has its own), the tokenizer, every setting in force, `overrides` and
   * `specialTokens` among them; not the device. Embeddings of one id can be held against each other. A version, `v1-`, and 32 hexadecimal digits.
   */
  embeddingId: string;
  /** Of a model that encodes pages too; see `encodePages`. */
  pages?: PageSide;
}

/** Texts done, of all texts of a call. */
export interface CallProgress {
  /** Never falls, also where a new worker begins the call again. */
  done: number;
  total: number;
}

/**
 * What becomes of a document that has more tokens than the model reads, `model.documentLength`. Queries are always cut.
 */
export interface LongDocumentOptions {
  /**
   * `cut` (default): its end plays no part. `windows`: it is encoded in windows that overlap, each like a document of its own, and their embeddings are united,
   * so that all of it can match; offsets are those in the whole text. Time grows with the number of windows.
   */
  longDocuments?: "cut" | "windows";
  /** Tokens that a window shares with the next: 0 to half of the document's tokens that one holds; an eighth of them by default. For `windows` alone. */
  overlap?: number;
  /** Most windows of a document: what is beyond them is cut, and `truncated` says so; 16. For `windows` alone. */
  maxWindows?: number;
}

export interface ExplainOptions extends LongDocumentOptions {
  signal?: AbortSignal;
  /** What embeddings of the codec `residual` are scored with, where the document brings such. */
  codecs?: readonly TrainedCodec[];
}

export interface EstimateOptions<T = string> extends LongDocumentOptions {
  /** With which a cross-encoder reads each document; to an encoder it matters little. None by default. */
  query?: string;
  /** The text of a document. By default a document is a string, or an object with a string `text`. */
  text?: (document: T) => string;
  signal?: AbortSignal;
}

/** What a ranking would take. */
export interface Estimate {
  /** On the device as it is, from when the worker is free. */
  milliseconds: number;
  /** Of documents that are the same once, and of a query; what `vectorCache` knows is among them. */
  tokens: number;
  /** What it is reckoned from: `calls` that came before, the last ones most, or, where there were none yet, a `sample` of the documents that was ranked for it. */
  measured: { by: "calls" | "sample"; tokens: number; milliseconds: number };
}

/**
 * What becomes of a text's token vectors. `none` (default): an embedding for each token. For single-vector search, one vector a text:
 * `mean` and `cls`, the mean and the first of the last hidden states, L2-normalised, `hiddenSize` wide; `checkpoint`, what the
 * checkpoint's own modules make of them, as `SentenceTransformer.encode` does, `dimension` wide. Where they make none, or in a way that
 * is not computed here (`model.pooling` is `null`), `checkpoint` fails with `CHECKPOINT_UNSUPPORTED`.
 */
export type Pooling = "none" | "mean" | "cls" | "checkpoint";

/**
 * Fewer embeddings of a document: those that are alike become their mean, by hierarchical clustering as PyLate (`pool_factor`) and sentence-transformers
 * (`HierarchicalTokenPooling`) do it. Vectors of one pooling are best kept apart from those of another: what is dropped is gone.
 */
export interface TokenPooling {
  /** About one embedding in so many stays: from 1, which keeps them all; of 1.5, two in three. */
  factor: number;
  /** How many of the first ones stay by themselves, `[CLS]` as a rule; 1. */
  protected?: number;
  /**
   * Whether those that stay are brought to length 1, as sentence-transformers does; true. PyLate leaves means as they are, which are shorter; binary and residual
   * codes do not keep that.
   */
  normalize?: boolean;
}

export interface TokenPoolingOptions {
  /** Of documents: a factor, or all of it. By default as the checkpoint says, which hardly any does: all embeddings stay. */
  tokenPooling?: number | TokenPooling;
}

export interface EncodeOptions<T = string> extends LongDocumentOptions, TokenPoolingOptions {
  signal?: AbortSignal;
  pooling?: Pooling;
  /** The text of a document. By default a document is a string, or an object with a string `text`. */
  text?: (document: T) => string;
  onProgress?: (progress: CallProgress) => void;
}

/** Embeddings of several texts: flat rows of `dimension` values, text after text, `lengths[i]` rows for text `i`. */
export interface TokenEmbeddings {
  values: Float32Array;
  lengths: Uint32Array;
  dimension: number;
  /** 1 for each text that was longer than the model reads, else 0. */
  truncated: Uint8Array;
}

/** Embeddings that are there already, as {@link TokenEmbeddings} hold them. */
export type Embeddings = Pick<TokenEmbeddings, "values" | "lengths" | "dimension">;

/** Embeddings of documents as a Scorer takes them: flat, in a list or its bytes, or each document's in any form. */
export type Scorable = Embeddings | ListedEmbeddings | ArrayBuffer | Uint8Array | readonly GivenEmbeddings[];

/** See {@link LoadOptions}. */
export type ScorerOptions = Pick<LoadOptions, "simd" | "signal" | "workerUrl" | "wasmUrl" | "limits">;

export interface CheckOptions extends Pick<LoadOptions, "simd" | "signal" | "workerUrl" | "wasmUrl" | "gpuWasmUrl"> {
  /** Default `cpu`. Where there is no WebGPU, `webgpu` fails with `WEBGPU_UNAVAILABLE`; an adapter in software counts. */
  device?: Device;
  /** Of the random inputs, a whole number below 2^32; 0. */
  seed?: number;
}

/** How far an operation was from its definition. */
export interface OperationDifference {
  operation: string;
  /** Of its inputs. */
  shape: string;
  /** The largest difference, over the largest expected value, or over 1 where all are smaller. */
  relative: number;
  /** What `relative` may be at most: what rounding may lose. */
  allowed: number;
}

/** As in sentence-transformers: MaxSim, the sum over a query's embeddings of the best similarity, or that over their number. */
export type SimilarityMeasure = "maxsim" | "meanmaxsim";

export interface SimilarityOptions {
  signal?: AbortSignal;
  /** What embeddings of the codec `residual` are scored with. */
  codecs?: readonly TrainedCodec[];
  /** Default `maxsim`. */
  measure?: SimilarityMeasure;
}

export type MatchOptions = Pick<SimilarityOptions, "signal" | "codecs">;

/** A token and where it stands in the original text; `start` and `end` (UTF-16) are null for tokens that the text does not hold. */
export interface TokenSpan {
  /** Null for an embedding that was given, without its token. */
  id: number | null;
  token: string;
  start: number | null;
  end: number | null;
  /** Place of its embedding among the text's, from 0: all that is known of embeddings that came without a text. */
  row: number;
}

/** A query token with its best document token. */
export interface TokenMatch {
  query: TokenSpan;
  document: TokenSpan;
  /** Dot product of the two embeddings; in [-1, 1], if the model's embeddings are `normalized`. */
  similarity: number;
  /** This match's part of the score. */
  share: number;
}

/** Why a document got its score: its score is the sum of these matches, one for each query token, but for rounding. */
export interface Explanation {
  score: number;
  /** The query was longer than the model reads. */
  queryTruncated: boolean;
  /** The document was. */
  truncated: boolean;
  matches: TokenMatch[];
}

/** A patch of a page image. */
export interface Patch {
  /** Its place in the grid, from 0 at the top and at the left. */
  row: number;
  column: number;
  /** Where it lies on the page, whose top left corner is 0, 0, in the unit of the page's width and height. */
  rectangle: { x: number; y: number; width: number; height: number };
  /** Of the coarse picture of the whole page that some models have behind its tiles: the place is one in that. */
  overview?: true;
}

/** How similar each patch of a page is to one query token. */
export interface SimilarityMap {
  rows: number;
  columns: number;
  /** Dot products, row by row from the top. */
  values: Float32Array;
}

/** A query token with its best document token, which on a page image may be of a patch. */
export interface PlacedMatch extends TokenMatch {
  /** Not there for a document that is no page, nor for the embeddings of a page that are of other tokens. */
  patch?: Patch;
}

/** Why a document got its score, and where on a page image the matches lie. */
export interface PlacedExplanation extends Explanation {
  matches: PlacedMatch[];
}

/** What a Scorer tells of embeddings, which have no tokens: matches name their rows. */
export interface ScoredExplanation extends PlacedExplanation {
  /** Of a page image, for each embedding of the query: how similar all patches are to it, of which the score counts the best alone. */
  maps?: SimilarityMap[];
}
