/**
 * The messages between page and worker: the only file where the two sides meet.
 *
 * A call has an id, and is answered once: by `answer` or `failed`, or not at all after a `cancel`. Only texts cross, never documents; a list may be cut into
 * parts for several workers, since each part carries the place of its first text (`base`) and the answer's indices count from the whole list's start.
 */

import type { ErrorData } from "./error.js";
import type { Device, DeviceChoice, Dtype, Explanation, ModelInfo, Overrides, Pooling, Progress, Simd, SpecialTokens, Timings, Warning } from "./types.js";

/** The folder of a checkpoint or of a bundle on a server. */
export interface FolderLocation {
  kind: "folder";
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
  files: Record<string, Blob>;
}

export interface ConvertOptions {
  dtype: Dtype;
  /** Where the checkpoint comes from, for the manifest. */
  repository?: string;
  revision?: string;
}

export interface LoadRequest {
  /** An address, or the module that an earlier worker compiled. */
  wasm: string | WebAssembly.Module;
  checkpoint: FolderLocation | GivenLocation;
  device: DeviceChoice;
  /** The type of weights that was asked for, and what the manifest says of their origin. */
  convert: ConvertOptions | undefined;
  /** A worker before this one died in the same load: what it stored may be used. */
  resume: boolean;
  /** `parse` if it is not there. */
  specialTokens?: SpecialTokens;
  overrides?: Overrides;
}

export interface LoadAnswer {
  device: Device;
  simd: Simd;
  model: ModelInfo;
  warnings: Warning[];
}

/** Long documents are encoded in windows. */
export interface Windows {
  overlap?: number;
  maxWindows: number;
}

export interface RerankRequest {
  query: string;
  texts: string[];
  /** Without these long documents are cut. */
  windows?: Windows | undefined;
  base: number;
  topK: number;
  explain: boolean;
  profile: boolean;
}

export interface RerankAnswer {
  indices: Uint32Array;
  scores: Float32Array;
  queryLength: number;
  queryTruncated: boolean;
  truncated: Uint8Array;
  explanations?: Explanation[];
  timings: Timings;
}

export interface EncodeRequest {
  kind: "query" | "document";
  texts: string[];
  pooling: Pooling;
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

export interface Calls {
  load: { request: LoadRequest; answer: LoadAnswer };
  rerank: { request: RerankRequest; answer: RerankAnswer };
  encode: { request: EncodeRequest; answer: EncodeAnswer };
  explain: { request: ExplainRequest; answer: Explanation };
}

export type CallName = keyof Calls;

export type CallMessage = { [K in CallName]: { type: "call"; id: number; name: K; request: Calls[K]["request"] } }[CallName];

export type AnswerMessage = { [K in CallName]: { type: "answer"; id: number; name: K; answer: Calls[K]["answer"] } }[CallName];

/** A load's progress as the worker sees it; the page turns it into the public one, which survives a change of worker. */
export type LoadProgress = Omit<Progress, "progress">;

export type ToWorker = CallMessage | { type: "cancel"; id: number };

export type FromWorker =
  | AnswerMessage
  | { type: "failed"; id: number; error: ErrorData }
  | { type: "batch"; id: number; done: number; total: number }
  /** The script runs. */
  | { type: "started" }
  /** Said each second while a call runs. */
  | { type: "alive" }
  | { type: "compiled"; module: WebAssembly.Module }
  /** The load goes on with WebGPU, so a death may be the GPU's doing. */
  | { type: "trying-webgpu" }
  | { type: "progress"; progress: LoadProgress }
  | { type: "warning"; warning: Warning }
  /** The instance or its GPU device is dead: nothing more will be answered. `id` is the call it was at, which may be one that was cancelled. */
  | { type: "fatal"; error: ErrorData; id?: number };
