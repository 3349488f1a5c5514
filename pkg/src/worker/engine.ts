/**
 * The wasm glue as the worker uses it: parts of the generated types, so that what crosses is written once, in Rust. `worker.ts` hands the real one over, tests
 * one of their own.
 */

import type * as glue from "../../wasm/tabrank.js";
import type * as images from "../../wasm/tabrank_images.js";

export type { DocumentVectors, Encoded, Hooks, IndexPart, IndexSettings, PageEmbeddings, PageEmbeddingSettings, PageLayout, PageSettings, Ranked, RerankSettings, ResidualCodecHandle, WantedFile } from "../../wasm/tabrank.js";

/** The files of a checkpoint or of a bundle, in wasm memory. What a manifest says is known once it was added, or noted as missing. */
export type Checkpoint = Pick<glue.Checkpoint, "isBundle" | "dtype" | "wantPages" | "wanted" | "add" | "addHeader" | "addMissing" | "requireRoom" | "free">;

/** The files of a bundle that a conversion has made, in wasm memory. */
export type MadeBundle = Pick<glue.MadeBundle, "names" | "take">;

/** Brings bytes of a weight file from `start` up to `end`; none are asked for twice. */
export type ReadPart = (file: string, start: number, end: number) => Promise<Uint8Array>;

export interface Engine extends Pick<glue.Engine, "device" | "warnings" | "info" | "gpuFault" | "gpuKernel" | "rerank" | "encode" | "explain" | "cost" | "hasPages" | "pageLayout" | "pageEmbeddings"> {
  /** Takes the checkpoint. */
  addPages(checkpoint: Checkpoint, hooks: glue.Hooks): Promise<void>;
  tileFeatures(picture: Picture, start: number, end: number, settings: glue.PageSettings, hooks: glue.Hooks): Promise<Float32Array>;
}

/** A page's pixels, in wasm memory. */
export type Picture = Pick<glue.Picture, "free">;

/** Embeddings of documents, in wasm memory. */
export type ScoredDocuments = Pick<glue.ScoredDocuments, "maxsim" | "similarities" | "free">;

/** An index whose parts come as they are wanted. */
export interface SearchIndex extends Pick<glue.SearchIndex, "info" | "parts" | "wanted" | "check" | "give" | "free"> {
  search(query: Float32Array, settings: glue.IndexSettings): IndexSearch;
}

export type IndexSearch = Pick<glue.IndexSearch, "wanted" | "give" | "hits" | "free">;

export interface EngineModule<C extends Checkpoint = Checkpoint> {
  init(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  onPanic(callback: (message: string) => void): void;
  simd(): glue.Simd;
  /** Forms of the byte product, by name; all give the same numbers. */
  productForms(): string[];
  /** False if there is none of this name. */
  useProductForm(form: string): boolean;
  measureProductForms(): glue.ProductForm[];
  Checkpoint: new () => C;
  /** Takes four bytes a pixel. */
  Picture: new (width: number, height: number, rgba: Uint8Array) => Picture;
  /** Takes a checkpoint, of weights the headers or all. Throws before it reads where the weights are more than the memory is taken to hold. */
  convert(checkpoint: C, options: glue.ConvertSettings, hooks: glue.Hooks, read: ReadPart): Promise<MadeBundle>;
  /** Embeddings that a call's documents bring along. The call takes them. */
  DocumentVectors: new () => glue.DocumentVectors;
  ResidualCodecHandle: new (file: Uint8Array) => glue.ResidualCodecHandle;
  ScoredDocuments: new (vectors: glue.DocumentVectors, documents: number) => ScoredDocuments;
  /** Takes a manifest. */
  SearchIndex: new (manifest: Uint8Array) => SearchIndex;
  /** Holds every operation of a device against its definition. */
  checkOperations(device: glue.Device, seed: number): Promise<glue.OperationDifference[]>;
  Engine: { load(checkpoint: C, options: glue.LoadSettings, hooks: glue.Hooks): Promise<Engine> };
}

/** What decodes pictures. */
export interface ImagesModule {
  init(input: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  /** Of a whole file. */
  DecodedPicture: new (file: Uint8Array) => Pick<images.DecodedPicture, "width" | "height" | "intoRgba">;
}
