/**
 * The messages between page and worker: the only file where the two sides meet.
 *
 * A call has an id, and is answered once: by `answer` or `failed`, or not at all after a `cancel`. Only texts cross, never documents; a list may be cut into
 * parts for several workers, since each part carries the place of its first text (`base`) and the answer's indices count from the whole list's start.
 */

import type { ErrorData } from "./error.js";
import type { AdapterName } from "./storage/hardware-notes.js";
import type { Bm25Stage, CrossEncoderStage, DenseStage, Fusion, GivenStage, LateStage, Timings } from "./ranking.js";
import type { IndexInfo, IndexParts } from "./search.js";
import type { Device, DeviceChoice, Dtype, Embeddings, Explanation, GpuKernel, ModelInfo, OperationDifference, Overrides, Pooling, Progress, Simd, SpecialTokens, TokenPooling, Warning } from "./types.js";
import type { CodecName } from "./vectors.js";

/** The folder of a checkpoint or of a bundle on a server. */
export interface FolderLocation {
  kind: "folder";
  /** Which of its files: those of the page side, or all others. */
  part?: "pages";
  /** Absolute, without a name or a password; its path ends in `/`. */
  url: string;
  /** What it is listed under in the storage: the address without its secrets, or a hub and a model's id there. */
  source: string;
  hub?: string;
  revision: string;
  headers: Record<string, string>;
  cache: "use" | "reload" | "off";
}

/** Files that the page gave. */
export interface GivenLocation {
  kind: "files";
  part?: "pages";
  files: Record<string, Blob>;
}

export interface ConvertOptions {
  dtype: Dtype;
  /** Where the checkpoint comes from, for the manifest. */
  repository?: string;
  revision?: string;
}

/** A module of the CPU alone, or the one with both devices. */
export type EngineKind = "cpu" | "both";

export interface LoadRequest {
  /** An address, or the module that an earlier worker compiled. */
  wasm: string | WebAssembly.Module;
  engine: EngineKind;
  /** Without one there is no model, and embeddings alone are scored. */
  checkpoint: FolderLocation | GivenLocation | undefined;
  /** In `auto` an engine of the CPU alone loads there, and tells of the GPU that another may be tried on. */
  device: DeviceChoice;
  /** The type of weights that was asked for, and what the manifest says of their origin. */
  convert: ConvertOptions | undefined;
  /** A worker before this one died in the same load: what it stored may be used. */
  resume: boolean;
  /** `parse` if it is not there. */
  specialTokens?: SpecialTokens;
  overrides?: Overrides;
  /** Once they are loaded, its files come back for other workers that are to load the same. */
  share?: boolean;
  /** The page side comes with the rest: what is converted here is so once. */
  withPages?: boolean;
  /** The files are fetched and stored, and no engine is made of them. */
  storeOnly?: boolean;
}

export interface LoadAnswer {
  device: Device;
  simd: Simd;
  /** Of the checkpoint, if there is one. */
  model?: ModelInfo;
  /** If a GPU was found right. */
  gpuKernel?: GpuKernel;
  /** The page side came with the rest. */
  hasPages?: boolean;
  warnings: Warning[];
}

/** Long documents are encoded in windows. */
export interface Windows {
  overlap?: number;
  maxWindows: number;
}

/** Embeddings of texts, all of one codec: rows of one text after the other. Arrays may share a buffer, which then crosses once. */
export interface VectorGroup {
  codec: CodecName;
  dimension: number;
  /** Rows of each text. */
  lengths: Uint32Array;
  /** Which of the call's texts each is. */
  places: Uint32Array;
  /** Little-endian; of `residual` the centroids' numbers, in 32 bits. */
  codes: Uint8Array;
  /** Of `int8`. */
  scales?: Float32Array;
  /** Of `residual`. */
  residuals?: Uint8Array;
  /** Of `residual`: a codec that the worker was given. */
  codecId?: string;
}

/** Embeddings of texts that were encoded. */
export interface KeptVectors extends VectorGroup {
  codec: KeptCodec;
  /** 1 for each text that was longer than what was read of it, else 0. */
  truncated: Uint8Array;
}

/** Codecs in which a worker can keep what it encodes. */
export type KeptCodec = Exclude<CodecName, "residual">;

/** A stage by what a model has scored the documents in another call; NaN of one that there was no time for, or that no stage before has left. */
export interface ScoredStage {
  use: "scored";
  keep?: number;
  scores: number[];
}

/** A stage as it crosses: its documents' scores and its model do not. */
export type StageRequest = ScoredStage | Omit<GivenStage<never>, "score"> | Bm25Stage | Omit<DenseStage, "model"> | Omit<LateStage, "model"> | Omit<CrossEncoderStage, "model">;

export interface RerankRequest {
  /** A text, or embeddings. */
  query: string | Float32Array;
  /** Empty for one that has embeddings alone. */
  texts: string[];
  /** Embeddings that some of the texts bring along. */
  vectors?: VectorGroup[] | undefined;
  /** Texts that are encoded are scored in this codec, and their embeddings are part of the answer. */
  keep?: KeptCodec | undefined;
  stages: StageRequest[];
  /** The score that each text was given, if there are any; NaN for one that has none. */
  given?: Float64Array | undefined;
  minScore?: number | undefined;
  fuse?: Fusion | undefined;
  diversify?: number | undefined;
  tokenPooling?: TokenPooling | undefined;
  /** Without these long documents are cut. */
  windows?: Windows | undefined;
  base: number;
  topK: number;
  explain: boolean;
  profile: boolean;
  /** Scores are told as they come. */
  partial?: boolean | undefined;
  /** Milliseconds since the epoch, by the clock that page and workers share. Then the answer is what is scored; without it all is. */
  until?: number | undefined;
}

/** Scores of the last stage, of some texts that are scored now. Indices are those of the answer. */
export interface PartialScores {
  indices: Uint32Array;
  scores: Float32Array;
  /** As in the answer. */
  bound?: number;
  /** Texts that this stage ranks, in the order that the stages before left them in. Told once, before the first score; not there where it is the only stage, which ranks all. */
  left?: Uint32Array;
}

/** What encoding takes. */
export interface Cost {
  tokens: number;
  /** Tokens that attend to each other, which is what attention's time grows with. */
  pairs: number;
}

export interface CostAnswer extends Cost {
  /** Milliseconds that the tokens took to be counted, which they take in a ranking too, however few of a text are read. */
  tokenize: number;
}

export interface RerankAnswer {
  /** Those that are scored, best first; then those that were not in time, in the order that they had. */
  indices: Uint32Array;
  /** How many of them the last stage has scored. */
  scored: number;
  /** How many texts were not scored in time, before any was cut. */
  unscored: number;
  /** Of each result, of each stage, as the ranks are. NaN, and the rank 0, of a stage that had no time for a text. */
  scores: Float32Array;
  ranks: Uint32Array;
  /** If they were fused. */
  fused?: Float32Array;
  /** For each result the index of the first text that is the same: its own, if that is the first. */
  sameAs: Uint32Array;
  /** The most that the last stage's scores can be, at either side of zero, but for rounding; not there where they have no bounds. */
  bound?: number;
  queryTruncated: boolean;
  truncated: Uint8Array;
  explanations?: Explanation[];
  /** Of the texts that were encoded, if they were to be kept. */
  kept?: KeptVectors;
  /** Of what came in. */
  warnings: Warning[];
  timings: Timings;
  /** Of all that was encoded, the query too. */
  cost: Cost;
}

export interface CodecRequest {
  /** A codec's file. */
  file: Uint8Array;
}

/** What the file says. */
export interface CodecAnswer {
  id: string;
  dimension: number;
  /** Of a value's residual. */
  nbits: number;
  embeddingId?: string;
}

export interface EncodeRequest {
  kind: "query" | "document";
  texts: string[];
  pooling: Pooling;
  tokenPooling?: TokenPooling | undefined;
  windows?: Windows | undefined;
}

export interface EncodeAnswer {
  /** The rows of all texts, cut anywhere. */
  parts: Float32Array[];
  lengths: Uint32Array;
  dimension: number;
  truncated: Uint8Array;
}

export interface ExplainRequest {
  query: string;
  document: string;
  windows?: Windows | undefined;
}

export interface CostRequest {
  query: string;
  texts: string[];
  windows?: Windows | undefined;
}

export interface SimilarityRequest {
  queries: Embeddings;
  /** Embeddings of all documents, of which there are so many. */
  documents: VectorGroup[];
  count: number;
  /** Divides each score by the number of the query's embeddings. */
  mean: boolean;
}

export interface MatchesRequest {
  /** Rows of one query. */
  query: Float32Array;
  /** One document's. */
  document: VectorGroup[];
}

export interface MatchesAnswer {
  /** MaxSim. */
  score: number;
  /** Every row of the query with every one of the document's: a row of theirs for each of the query's. */
  similarities: Float32Array;
}

export interface OpenPagesRequest {
  /** The page side's, by their place in the folder; none where it came with the rest. */
  files: Record<string, Blob>;
}

/** A file, or what the page has drawn. */
export interface PixelsRequest {
  picture: Blob | ImageBitmap;
  /** Pixels that it may have. */
  most: number;
  /** Address of the module for files that browsers decode otherwise. */
  wasm: string;
}

/** Four bytes a pixel, of which the last plays no part. */
export interface PixelsAnswer {
  width: number;
  height: number;
  rgba: Uint8Array;
}

export interface LayoutsRequest {
  sizes: (readonly [width: number, height: number])[];
  longestEdge?: number | undefined;
}

/** How a page is cut: rows and columns of tiles, 0 where it is seen as a whole, and how many there are with that of the whole page. */
export interface PageLayout {
  tiles: number;
  rows: number;
  columns: number;
}

/** A page that was decoded. Blobs cross without a copy. */
export interface PixelsAtHand {
  /** The same for each call about this page, and another page's never. */
  page: number;
  width: number;
  height: number;
  rgba: Blob;
}

export interface TilesRequest {
  picture: PixelsAtHand;
  /** Tiles from `start` up to `end`. */
  start: number;
  end: number;
  longestEdge?: number | undefined;
}

export interface PageRequest extends Pick<PixelsAtHand, "page" | "width" | "height"> {
  /** Of all tiles, in their order. */
  features: Float32Array;
  longestEdge?: number | undefined;
  onlyPatches?: boolean | undefined;
  keep?: KeptCodec | undefined;
}

/** One page's embeddings, and where on it they are. */
export interface PageAnswer {
  codec: KeptCodec;
  dimension: number;
  rows: number;
  codes: Uint8Array;
  scales?: Float32Array;
  grid: [rows: number, columns: number];
  page: [width: number, height: number];
  /** Patches of a tile's side, where they come tile after tile. */
  tile?: number;
  /** 1 for each row that is a patch's. */
  patches: Uint8Array;
}

/** The folder of an index on a server. */
export interface IndexLocation extends Pick<FolderLocation, "url" | "source" | "headers"> {
  cache: "use" | "off";
}

export interface OpenIndexRequest {
  location: IndexLocation;
  /** Every part is fetched at once. */
  all: boolean;
}

export interface SearchIndexRequest {
  /** Rows of one query. */
  query: Float32Array;
  topK?: number | undefined;
  nIvfProbe?: number | undefined;
  nFullScores?: number | undefined;
}

export interface SearchIndexAnswer {
  /** Best first. */
  ids: string[];
  scores: Float32Array;
  timings: { fetch: number; search: number };
  fetched: IndexParts;
  read: IndexParts;
}

export interface CheckRequest {
  device: Device;
  /** Of the random inputs. */
  seed: number;
}

/** Tokens that were computed, and milliseconds that they took. */
export interface Speed {
  tokens: number;
  ms: number;
}

export interface Calls {
  load: { request: LoadRequest; answer: LoadAnswer };
  rerank: { request: RerankRequest; answer: RerankAnswer };
  encode: { request: EncodeRequest; answer: EncodeAnswer };
  explain: { request: ExplainRequest; answer: Explanation };
  cost: { request: CostRequest; answer: CostAnswer };
  similarity: { request: SimilarityRequest; answer: Float32Array };
  matches: { request: MatchesRequest; answer: MatchesAnswer };
  measure: { request: Record<never, never>; answer: Speed };
  codec: { request: CodecRequest; answer: CodecAnswer };
  openPages: { request: OpenPagesRequest; answer: Record<never, never> };
  pixels: { request: PixelsRequest; answer: PixelsAnswer };
  layouts: { request: LayoutsRequest; answer: PageLayout[] };
  tiles: { request: TilesRequest; answer: Float32Array };
  page: { request: PageRequest; answer: PageAnswer };
  openIndex: { request: OpenIndexRequest; answer: IndexInfo };
  searchIndex: { request: SearchIndexRequest; answer: SearchIndexAnswer };
  checkOperations: { request: CheckRequest; answer: OperationDifference[] };
}

export type CallName = keyof Calls;

/** Calls whose effect a new worker has to have too. */
export type StandingCall = { [K in "codec" | "openPages"]: { name: K; request: Calls[K]["request"] } }["codec" | "openPages"];

export type CallMessage = { [K in CallName]: { type: "call"; id: number; name: K; request: Calls[K]["request"] } }[CallName];

export type AnswerMessage = { [K in CallName]: { type: "answer"; id: number; name: K; answer: Calls[K]["answer"] } }[CallName];

/** A load's progress as the worker sees it; the page turns it into the public one, which survives a change of worker. */
export type LoadProgress = Omit<Progress, "progress">;

export type ToWorker = CallMessage | { type: "cancel"; id: number };

export type FromWorker =
  | AnswerMessage
  | { type: "failed"; id: number; error: ErrorData }
  | { type: "batch"; id: number; done: number; total: number }
  /** Of a ranking whose scores are to be told as they come. */
  | ({ type: "partial"; id: number } & PartialScores)
  /** The script runs. */
  | { type: "started" }
  /** Said each second while a call runs. */
  | { type: "alive" }
  | { type: "compiled"; module: WebAssembly.Module }
  /** All that the engine was loaded from, by its place in the folder. Blobs cross without a copy. */
  | { type: "files"; files: Record<string, Blob> }
  /** Of a load in `auto` by an engine of the CPU alone: there is a GPU that is worth a try, or why there is none. */
  | { type: "gpu"; unavailable: string }
  | { type: "gpu"; unavailable?: undefined; adapter: AdapterName }
  /** The load goes on with WebGPU, so a death may be the GPU's doing. */
  | { type: "trying-webgpu" }
  | { type: "progress"; progress: LoadProgress }
  | { type: "warning"; warning: Warning }
  /** The instance or its GPU device is dead: nothing more will be answered. `id` is the call it was at, which may be one that was cancelled. */
  | { type: "fatal"; error: ErrorData; id?: number };
