/** The public types of pages: documents that are images, which a model with a vision tower encodes. Lengths are in pixels, times in milliseconds. */

/** Pixels as a canvas gives them. */
export interface PagePixels {
  width: number;
  height: number;
  /** Four bytes a pixel, row by row from the top; the fourth, alpha, plays no part. */
  rgba: Uint8Array | Uint8ClampedArray;
}

/**
 * A page: the file of an image (PNG, JPEG and what else the browser shows), or what a page has drawn. A file is decoded in a worker, without colour conversion, and
 * turned as its EXIF data say. Alpha is dropped, as the reference does it, and not blended with a background: draw on white first.
 */
export type PagePicture = Blob | ImageBitmap | ImageData | HTMLCanvasElement | OffscreenCanvas | PagePixels;

/** A page, or what gives it when its turn comes, so that not all of them need be there at once. */
export type GivenPage = PagePicture | (() => PagePicture | Promise<PagePicture>);

/** A page of which only its size matters. */
export interface PageSize {
  width: number;
  height: number;
}

/** How far a call has come. */
export interface PagesProgress {
  /** `fetch`: the model's page side is on its way, once; `encode`: pages are read. */
  phase: "fetch" | "encode";
  /** Of the page side's files, while they are fetched. */
  bytes: { loaded: number; total: number };
  /** Pages done, of all. Never falls. */
  done: number;
  total: number;
  /** Of the page that is read: its tiles that are done, of all; 0 of 0 before it is decoded. */
  tiles: { done: number; total: number };
}

export interface PageEncodingOptions {
  /**
   * The edge that a page's longer side is brought to, enlarged too, before it is cut into tiles; by default the model's own, `model.pages.longestEdge`. A smaller one makes
   * fewer tiles, which is faster, and other embeddings: queries find small print less well, and pages of one setting are best kept apart from those of another.
   */
  longestEdge?: number;
}

export interface EncodePagesOptions extends PageEncodingOptions {
  signal?: AbortSignal;
  /** Called after each tile. */
  onProgress?: (progress: PagesProgress) => void;
  /** Leaves out the embeddings of the tokens that stand around the patches, which are not of a place on the page. By default all stay, as in the reference. */
  onlyPatches?: boolean;
  /** Whether pages are looked for in the model's vector cache, and kept there; true. Without `vectorCache` at the load nothing is kept. */
  vectorCache?: boolean;
}

export interface EstimatePagesOptions extends PageEncodingOptions {
  signal?: AbortSignal;
  /** Of the page side, which is fetched for a measurement where no page was encoded yet. */
  onProgress?: (progress: PagesProgress) => void;
}

/** What encoding pages would take; what a vector cache knows is among it. */
export interface PagesEstimate {
  /** On the device as it is, from when the workers are free. */
  milliseconds: number;
  pages: number;
  /** Squares that the vision tower sees, of all pages. */
  tiles: number;
  /** What it is reckoned from: tiles of `calls` that came before, or, where there were none yet, one of a blank page, a `sample`. */
  measured: { by: "calls" | "sample"; tiles: number; milliseconds: number };
}
