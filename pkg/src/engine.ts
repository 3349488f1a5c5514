/** The wasm glue as the worker uses it. `worker.ts` hands the real one over, so the compiler holds these types and the generated ones together. */

import type { Device, DeviceChoice, Explanation, ModelInfo, Warning } from "./types.js";

export interface WantedFile {
  name: string;
  optional: boolean;
}

/** Gathers a checkpoint's files in wasm memory. */
export interface Checkpoint {
  wanted(): WantedFile[];
  add(name: string, bytes: Uint8Array): void;
  addMissing(name: string): void;
}

export interface Hooks {
  stage?(name: string): void;
  batch?(done: number, total: number): boolean | Promise<boolean>;
}

export interface Ranked {
  indices: Uint32Array;
  scores: Float32Array;
  queryLength: number;
  truncated: Uint8Array;
  explanations?: Explanation[];
}

export interface Encoded {
  values: Float32Array;
  lengths: Uint32Array;
  dimension: number;
}

export interface Engine {
  readonly device: Device;
  readonly warnings: Warning[];
  readonly info: ModelInfo;
  rerank(query: string, documents: string[], options: { topK?: number; explain?: boolean }, hooks: Hooks): Promise<Ranked>;
  encode(kind: "query" | "document", texts: string[], options: { pooling: "none" | "mean" }, hooks: Hooks): Promise<Encoded>;
  explain(query: string, document: string, hooks: Hooks): Promise<Explanation>;
}

export interface EngineModule<C extends Checkpoint = Checkpoint> {
  init(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  onPanic(callback: (message: string) => void): void;
  Checkpoint: new () => C;
  Engine: { load(checkpoint: C, options: { device: DeviceChoice; gpuUnavailable?: string }, hooks: Hooks): Promise<Engine> };
}
