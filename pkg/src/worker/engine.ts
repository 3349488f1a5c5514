/** The wasm glue as the worker uses it. `worker.ts` hands the real one over, so the compiler holds these types and the generated ones together. */

import type { ConvertOptions } from "../protocol.js";
import type { Device, DeviceChoice, EncoderTimings, Explanation, ModelInfo, Pooling, Simd, SpecialTokens, Warning } from "../types.js";

export interface WantedFile {
  name: string;
  optional: boolean;
  /** What a bundle's manifest says of the file; `add` takes no other bytes. */
  bytes?: number;
  sha256?: string;
}

/** The files of a checkpoint or of a bundle, in wasm memory. */
export interface Checkpoint {
  /** Known once the manifest was added, or noted as missing. */
  readonly isBundle: boolean;
  /** What a bundle's manifest says. */
  readonly dtype?: string | undefined;
  wanted(): WantedFile[];
  /** Throws `INTEGRITY_FAILED`, and forgets the bytes, where they are not those that the manifest lists. */
  add(name: string, bytes: Uint8Array): void;
  addMissing(name: string): void;
  /** All files of a bundle that was made by a conversion. */
  names(): string[];
  file(name: string): Uint8Array;
  /** Gives its memory back. */
  free(): void;
}

export interface Hooks {
  /** A stage begins; it may come again for each batch. */
  stage?(name: string): void;
  /** Progress. `false` stops the call, as it does from `pause`. */
  batch?(done: number, total: number): boolean | Promise<boolean>;
  /** Called often: between texts, layers and blocks of a conversion. */
  pause?(): boolean | Promise<boolean>;
}

export interface Ranked {
  indices: Uint32Array;
  scores: Float32Array;
  queryLength: number;
  queryTruncated: boolean;
  truncated: Uint8Array;
  explanations?: Explanation[];
  parts?: EncoderTimings;
}

export interface Encoded {
  /** The embeddings batch by batch, as they left wasm memory. */
  parts: Float32Array[];
  lengths: Uint32Array;
  dimension: number;
  truncated: Uint8Array;
}

export interface Engine {
  readonly device: Device;
  readonly warnings: Warning[];
  readonly info: ModelInfo;
  /** What the check at load found wrong with the GPU that `auto` gave up; a GPU that is only slow has no fault. */
  readonly gpuFault?: string | undefined;
  rerank(query: string, documents: string[], options: { topK?: number; explain?: boolean; profile?: boolean }, hooks: Hooks): Promise<Ranked>;
  encode(kind: "query" | "document", texts: string[], options: { pooling: Pooling }, hooks: Hooks): Promise<Encoded>;
  explain(query: string, document: string, hooks: Hooks): Promise<Explanation>;
}

export interface EngineModule<C extends Checkpoint = Checkpoint> {
  init(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  onPanic(callback: (message: string) => void): void;
  simd(): Simd;
  Checkpoint: new () => C;
  /** Takes a checkpoint and gives a whole bundle. */
  convert(checkpoint: C, options: ConvertOptions, hooks: Hooks): Promise<C>;
  Engine: { load(checkpoint: C, options: { device: DeviceChoice; gpuUnavailable?: string; gpuBufferLimit?: number; specialTokens?: SpecialTokens }, hooks: Hooks): Promise<Engine> };
}
