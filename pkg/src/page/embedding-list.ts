/** The page's door to lists of embeddings that lie in one buffer. */

import type { CodecName, DocumentEmbeddings, GivenEmbeddings, ListedEmbeddings } from "../vectors.js";
import { type GivenRows, rowsGiven } from "./given-embeddings.js";
import { DEFAULT_LIMITS, invalid, itemsOf, read } from "./input.js";
import { fileIn, type ListFile, pageAt, rowsAt, TRANSFERRED_HINT, writeList } from "./list-file.js";
import { areFinite, ARRAYS, type ArrayKind, joinedRows, kindOfRows, type StoredRows } from "./rows.js";

/** No model is asked, nor is anything sent. */
const READING = { limits: { ...DEFAULT_LIMITS, embeddingBytes: Infinity }, dimensionOf: () => undefined };

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
  /** @internal Behind a function, as a Reranker's. */
  readonly own: () => ListFile;

  private constructor(file: ListFile) {
    const { all, lengths, embeddingId } = file;
    this.own = () => file;
    doors.add(this.own);
    this.length = lengths.length;
    this.codec = all.codec;
    this.dimension = all.dimension;
    if (embeddingId !== undefined) this.embeddingId = embeddingId;
    if (all.codecId !== undefined) this.codecId = all.codecId;
  }

  /** Fails with `INVALID_INPUT` where the bytes are no list, or one of a version that is not known. */
  static from(bytes: ArrayBuffer | Uint8Array): EmbeddingList {
    return new EmbeddingList(fileIn(bytes, "the list of embeddings"));
  }

  /**
   * The bytes of a list. All of its documents have one codec, one width and one model; for one without embeddings there is `undefined`.
   *
   * @example
   * const bytes = EmbeddingList.write([{ codec: "int8", dimension: 2, embeddings: Int8Array.of(127, 64), scales: Float32Array.of(0.007) }, undefined]);
   */
  static write(documents: readonly (GivenEmbeddings | null | undefined)[]): ArrayBuffer {
    const given = itemsOf(documents, "documents", Infinity, (document, place) => rowsGiven(document, { place, ...READING }));
    const there = given.filter((rows) => rows !== undefined);
    const [first] = there;
    if (!first) throw invalid("documents has no embeddings");
    const other = given.findIndex((rows) => rows && (kindOfRows(rows) !== kindOfRows(first) || rows.embeddingId !== first.embeddingId));
    if (other >= 0) throw invalid(`documents[${other}] is ${kindOfRows(given[other]!)}, or of another model than the ones before it, which are ${kindOfRows(first)}`);
    const infinite = given.findIndex((rows) => rows && !areFinite(rows));
    if (infinite >= 0) throw invalid(`documents[${infinite}] holds a number that is not finite`);
    const { embeddingId } = first;
    return writeList({ all: joinedRows(there), lengths: Uint32Array.from(given, (rows) => rows?.rows ?? 0), ...pagesOf(given), ...(embeddingId !== undefined && { embeddingId }) }).buffer;
  }

  at(index: number): DocumentEmbeddings | undefined {
    const { embeddingId } = this;
    const file = this.own();
    if (file.lengths.length !== this.length) throw invalid("the list of embeddings is empty", TRANSFERRED_HINT);
    const rows = rowsAt(file, index);
    return rows && { ...publicRows(rows), ...(embeddingId !== undefined && { embeddingId }), ...pageAt(file, index) };
  }
}

/** Two numbers a document, zeros for one that is no page image, if there is such a one. */
function pagesOf(given: readonly (GivenRows | undefined)[]): Pick<ListFile, "grid" | "page"> {
  const patches = given.map((rows) => rows?.patches);
  const other = patches.findIndex((one) => one?.areFirst === false);
  if (other >= 0) throw invalid(`documents[${other}].patches cannot be written: in a list patches come first, row by row`);
  if (patches.every((one) => one === undefined)) return {};
  const pairs = (name: "grid" | "page") => patches.flatMap((one) => one?.[name] ?? [0, 0]);
  return { grid: Uint32Array.from(pairs("grid")), page: Float32Array.from(pairs("page")) };
}

/** Of a list that a caller passes, or the bytes of one. */
export function listFileOf(list: ListedEmbeddings | ArrayBuffer | Uint8Array, place: string): ListFile {
  const door = typeof list === "object" && list !== null ? read(list as EmbeddingList, "own", place) : undefined;
  return door !== undefined && doors.has(door) ? door() : fileIn(list as ArrayBuffer, place);
}

/** The arrays as those that their numbers are of. */
function publicRows({ codec, dimension, rows: _, codes, ...others }: StoredRows): DocumentEmbeddings {
  const [[name, { type }]] = Object.entries(ARRAYS[codec]) as [[string, ArrayKind]];
  return { codec, dimension, [name]: new type(codes.buffer, codes.byteOffset, codes.length / type.BYTES_PER_ELEMENT), ...others };
}
