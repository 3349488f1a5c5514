/** The public types of embeddings that documents bring along, of which the text is then not encoded. Numbers are little-endian wherever they are bytes. */

/**
 * How embeddings are stored. `f32`, `f16`: floats. `int8`: integers from -127 to 127, with a scale for each row, by which they are multiplied. `binary`: a bit for
 * each value, 1 where it is above zero, dimension 0 in the top bit of the first byte; a row stands for ±1/√dimension. `residual`: the number of a centroid, and what
 * is left of each value in 1, 2, 4 or 8 bits, as ColBERTv2, PLAID, fast-plaid and next-plaid have it; scored with a {@link TrainedCodec}.
 */
export type CodecName = "f32" | "f16" | "int8" | "binary" | "residual";

/** Rows of numbers as JSON has them. */
export type Rows = readonly (readonly number[])[];

/**
 * One document's embeddings. Strings are base64 of an array's bytes. Rows of numbers are taken where a number is a value, so not for `f16`.
 *
 * @example
 * const given: DocumentEmbeddings = { codec: "int8", dimension: 128, embeddingId: "v1-…", embeddings: "BwA…", scales: "Cte…" };
 */
export interface DocumentEmbeddings {
  /** Default `f32`. */
  codec?: CodecName;
  /** Values of an embedding. By default the width of the rows that were given, else the model's. */
  dimension?: number;
  /** `embeddingId` of the model that made them; another one's are refused with `MODEL_MISMATCH`. Without it the width alone is held against the model's. */
  embeddingId?: string;
  /** Of `residual`: which codec it is, where a call is given several. */
  codecId?: string;
  /** The rows, one after the other: of `f32` a Float32Array, of `f16` their bits, of `int8` an Int8Array, of `binary` a Uint8Array of whole bytes a row. Not of `residual`. */
  embeddings?: Float32Array | Uint16Array | Int8Array | Uint8Array | string | Rows;
  /** Of `int8`: a float a row, from 0. */
  scales?: Float32Array | string | readonly number[];
  /** Of `residual`: a centroid's number a row. */
  codes?: Uint32Array | string | readonly number[];
  /** Of `residual`: `dimension` times the codec's bits, in whole bytes, a row. */
  residuals?: Uint8Array | string | Rows;
  /** Of a page image: rows and columns of its patches, which the first embeddings are of, row by row, unless `patches` says otherwise. A pooled page has none. */
  grid?: readonly [rows: number, columns: number];
  /** Of a page image: its width and height, in the unit that rectangles on it are to have. By default `[1, 1]`: rectangles are shares of the page. */
  page?: readonly [width: number, height: number];
  /** Of a page image: which embeddings are of its patches, and in which order. */
  patches?: PatchOrder;
}

/** How a page's patches stand among its embeddings, where those begin with other tokens or come tile after tile. */
export interface PatchOrder {
  /** How many embeddings of a prompt stand in front of the patches; 0. */
  offset?: number;
  /** For each embedding whether it is a patch's, in place of `offset`. */
  mask?: Uint8Array | readonly boolean[];
  /**
   * Patches of a tile's side, where they come tile after tile, each row by row: 8 of ColSmol and ColModernVBERT. Behind the tiles may come one more, of the whole
   * page.
   */
  tile?: number;
}

/** One document's embeddings in the form of next-plaid: base64 of `f32`, and how many rows there are of how many values. */
export interface ShapedEmbeddings {
  embeddings_b64: string;
  shape: readonly [rows: number, dimension: number];
}

/** All forms in which a document may bring its embeddings: rows of numbers are what Qdrant gives. */
export type GivenEmbeddings = DocumentEmbeddings | ShapedEmbeddings | Rows;

/** What `EmbeddingList.from` gives: embeddings of documents by their place, all in one buffer. */
export interface ListedEmbeddings {
  /** Documents, those without embeddings included. */
  readonly length: number;
  readonly codec: CodecName;
  /** Values of an embedding. */
  readonly dimension: number;
  readonly embeddingId?: string;
  readonly codecId?: string;
  /** What the documents are called, where the list says it: pages of `tabrank pages encode` are `{file}:page_{number}`. */
  readonly ids?: readonly string[];
  /** A document's, without a copy; undefined where it has none. */
  at(index: number): DocumentEmbeddings | undefined;
}

/** Settings of `EmbeddingList.write`. */
export interface WriteListOptions {
  /** What the documents are called, each in its place. */
  ids?: readonly string[];
}

/** What `ResidualCodec.from` gives: the centroids of `residual`, and what its bits stand for. */
export interface TrainedCodec {
  /** Of the codec's file. */
  readonly bytes: number;
}
