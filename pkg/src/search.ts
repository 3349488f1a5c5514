/** The public types of an index: the compressed embeddings of a whole collection, as files on any static host, which a page searches by itself. */

import type { StageModel } from "./ranking.js";
import type { LoadOptions } from "./types.js";

/** `probed`: what a query's centroids lead to, when they do. `all`: everything, when the index is opened. */
export type IndexFetch = "probed" | "all";

/** How far the opening of an index has come, in bytes. */
export interface IndexProgress {
  /** Never falls. */
  loaded: number;
  /** Of the codec, or with `fetch: "all"` of the whole index; the manifest is not counted. */
  total: number;
}

export interface IndexOptions extends Pick<LoadOptions, "simd" | "headers" | "onWarning" | "signal" | "workerUrl" | "wasmUrl" | "limits"> {
  /** Encodes queries that are texts. Its `model.embeddingId` has to be that of the index. Without one, queries are embeddings. It is not disposed of with the index. */
  reranker?: StageModel;
  /**
   * Default `probed`: a search fetches the parts of the index that its query leads to, which takes little, and shows whoever serves or logs those files what kind of
   * thing was asked for. With `all` the whole index is fetched when it is opened, in an order that no query has a part in, and no search fetches anything.
   */
  fetch?: IndexFetch;
  /** `use` (default): what was fetched stays in the browser's storage, and the next visit asks for the manifest alone. `off` leaves storage alone. */
  cache?: "use" | "off";
  /** Called as bytes come, never after an abort. */
  onProgress?: (progress: IndexProgress) => void;
}

/** How far a search has come, in parts of the index. */
export interface SearchProgress {
  /** Parts that were read, wherever they came from. Never falls. */
  done: number;
  /** Parts that the search is known to want: it grows once it is known which documents are looked at. */
  total: number;
}

/** What the manifest says. */
export interface IndexInfo {
  documents: number;
  /** Embeddings of all documents. */
  tokens: number;
  /** Values of an embedding. */
  dimension: number;
  /** Bits that a value is stored in, beside its centroid. */
  nbits: number;
  centroids: number;
  /** Of all parts. */
  bytes: number;
  /** Names the model that the documents were encoded with, and with which queries have to be. */
  embeddingId?: string;
}

/** The names are those of PyLate's index. */
export interface SearchOptions {
  /** Results; 10. */
  topK?: number;
  /** Centroids whose documents are looked at, of each embedding of the query; 16. More of them find more, and fetch more. */
  nIvfProbe?: number;
  /** Documents that are scored by all of their embeddings, of those that the centroids give, and at least `topK`; 64. Fewer of them fetch less. */
  nFullScores?: number;
  /** Called as parts come, never after an abort. */
  onProgress?: (progress: SearchProgress) => void;
  signal?: AbortSignal;
}

/** A document that was found. */
export interface SearchResult {
  /** As the collection has it, such as a page's `{path}:page_{number}`. */
  id: string;
  /** From 1. */
  rank: number;
  /** MaxSim of the query's embeddings and those that the index holds of the document: the sum, or the mean where the reranker's model scores by it. */
  score: number;
}

/** Milliseconds. */
export interface SearchTimings {
  /** Of the model; 0 for embeddings. */
  encode: number;
  /** Until the parts had come, from memory, from storage or from the server. */
  fetch: number;
  search: number;
  total: number;
}

/** Files of an index. */
export interface IndexParts {
  parts: number;
  bytes: number;
}

export interface SearchOutput {
  /** Best first. */
  results: SearchResult[];
  timings: SearchTimings;
  /** What the server was asked for. */
  fetched: IndexParts;
  /** What was read, wherever it came from. */
  read: IndexParts;
  /** The query was longer than the model reads. */
  queryTruncated: boolean;
}
