/** The page's door to lists of embeddings that lie in one buffer. */

import type { CodecName, DocumentEmbeddings, GivenEmbeddings, ListedEmbeddings, WriteListOptions } from "../vectors.js";
import { invalid, read } from "./invalid.js";
import { fileIn, type ListFile, pageAt, rowsAt, TRANSFERRED_HINT } from "./list-file.js";
import { rest } from "./rest.js";
import { ARRAYS, type ArrayKind, type StoredRows } from "./rows.js";

/** The doors that were made here. */
const doors = new WeakSet<() => ListFile>();

/**
 * Embeddings of documents in the form in which a backend sends them, which `docs/vectors.md` specifies. Nothing is copied: the list looks at the buffer that it was
 * given, which is to stay as it is.
 *
 * @example
 * const list = EmbeddingList.from(await response.arrayBuffer());
 * const { results } = await reranker.rerank(query, hits, { embeddings: list });
 */
export class EmbeddingList implements ListedEmbeddings {
  readonly length: number;
  readonly codec: CodecName;
  readonly dimension: number;
  readonly embeddingId?: string;
  readonly codecId?: string;
  readonly ids?: readonly string[];
  /** @internal Behind a function, as a Reranker's. */
  readonly own: () => ListFile;

  private constructor(file: ListFile) {
    const { all, lengths, embeddingId, ids } = file;
    this.own = () => file;
    doors.add(this.own);
    this.length = lengths.length;
    this.codec = all.codec;
    this.dimension = all.dimension;
    if (embeddingId !== undefined) this.embeddingId = embeddingId;
    if (all.codecId !== undefined) this.codecId = all.codecId;
    if (ids !== undefined) this.ids = ids;
  }

  /** Fails with `INVALID_INPUT` where the bytes are no list, or one of a version that is not known. */
  static from(bytes: ArrayBuffer | Uint8Array): EmbeddingList {
    return new EmbeddingList(fileIn(bytes, "the list of embeddings"));
  }

  /**
   * The bytes of a list. All of its documents have one codec, one width and one model; for one without embeddings there is `undefined`. What is given is to stay as it
   * is until they are there. `ids`: what the documents are called, by which `tabrank pages search` tells pages.
   *
   * @example
   * const bytes = await EmbeddingList.write([{ codec: "int8", dimension: 2, embeddings: Int8Array.of(127, 64), scales: Float32Array.of(0.007) }, undefined]);
   */
  static async write(documents: readonly (GivenEmbeddings | null | undefined)[], options: WriteListOptions = {}): Promise<ArrayBuffer> {
    const { writeEmbeddings } = await rest();
    return writeEmbeddings(documents, options);
  }

  at(index: number): DocumentEmbeddings | undefined {
    const { embeddingId } = this;
    const file = this.own();
    if (file.lengths.length !== this.length) throw invalid("the list of embeddings is empty", TRANSFERRED_HINT);
    const rows = rowsAt(file, index);
    return rows && { ...publicRows(rows), ...(embeddingId !== undefined && { embeddingId }), ...pageAt(file, index) };
  }
}

/** @internal Of a list that a caller passes, or the bytes of one. */
export function listFileOf(list: ListedEmbeddings | ArrayBuffer | Uint8Array, place: string): ListFile {
  const door = typeof list === "object" && list !== null ? read(list as EmbeddingList, "own", place) : undefined;
  return door !== undefined && doors.has(door) ? door() : fileIn(list as ArrayBuffer, place);
}

/** The arrays as those that their numbers are of. */
function publicRows({ codec, dimension, rows: _, codes, ...others }: StoredRows): DocumentEmbeddings {
  const [[name, { type }]] = Object.entries(ARRAYS[codec]) as [[string, ArrayKind]];
  return { codec, dimension, [name]: new type(codes.buffer, codes.byteOffset, codes.length / type.BYTES_PER_ELEMENT), ...others };
}
