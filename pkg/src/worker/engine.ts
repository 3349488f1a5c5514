/**
 * The wasm glue as the worker uses it: parts of the generated types, so that what crosses is written once, in Rust. `worker.ts` hands the real one over, tests
 * one of their own.
 */

import type * as glue from "../../wasm/tabrank.js";

export type { Encoded, Hooks, Ranked, RerankSettings, WantedFile } from "../../wasm/tabrank.js";

/** The files of a checkpoint or of a bundle, in wasm memory. What a manifest says is known once it was added, or noted as missing. */
export type Checkpoint = Pick<glue.Checkpoint, "isBundle" | "dtype" | "wanted" | "add" | "addHeader" | "addMissing" | "requireRoom" | "free">;

/** The files of a bundle that a conversion has made, in wasm memory. */
export type MadeBundle = Pick<glue.MadeBundle, "names" | "take">;

/** Brings bytes of a weight file from `start` up to `end`; none are asked for twice. */
export type ReadPart = (file: string, start: number, end: number) => Promise<Uint8Array>;

export interface Engine extends Pick<glue.Engine, "device" | "warnings" | "info" | "gpuFault" | "encode" | "explain"> {
  rerank(query: string | Float32Array, documents: string[], options: glue.RerankSettings, hooks: glue.Hooks, vectors?: DocumentVectors): Promise<glue.Ranked>;
}

/** Embeddings of documents, in wasm memory. */
export type ScoredDocuments = Pick<glue.ScoredDocuments, "maxsim" | "similarities" | "free">;

/** Embeddings that a call's documents bring along, in wasm memory: the call takes them. */
export type DocumentVectors = Pick<glue.DocumentVectors, "add" | "addResidual" | "free">;

/** A codec of residuals, in wasm memory. */
export type ResidualCodec = Pick<glue.ResidualCodecHandle, "info" | "free">;

export interface EngineModule<C extends Checkpoint = Checkpoint> {
  init(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  onPanic(callback: (message: string) => void): void;
  simd(): glue.Simd;
  Checkpoint: new () => C;
  /** Takes a checkpoint, of weights the headers or all. Throws before it reads where the weights are more than the memory is taken to hold. */
  convert(checkpoint: C, options: glue.ConvertSettings, hooks: glue.Hooks, read: ReadPart): Promise<MadeBundle>;
  DocumentVectors: new () => DocumentVectors;
  ResidualCodecHandle: new (file: Uint8Array) => ResidualCodec;
  ScoredDocuments: new (vectors: DocumentVectors, documents: number) => ScoredDocuments;
  Engine: { load(checkpoint: C, options: glue.LoadSettings, hooks: glue.Hooks): Promise<Engine> };
}
