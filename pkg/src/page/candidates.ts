/** Reads a ranking's documents: what each is called, its text, and the embeddings that it brings along. Each is asked once, before anything is sent. */

import type { RerankOptions, StageResult } from "../ranking.js";
import type { Explanation, Limits } from "../types.js";
import type { DocumentEmbeddings, GivenEmbeddings, ShapedEmbeddings } from "../vectors.js";
import { listFileOf } from "./embedding-list.js";
import { type GivenRows, rowsGiven } from "./given-embeddings.js";
import { checkLength, nameOf, readField, textIfAny, textOf, tooLarge } from "./input.js";
import { answerOf, invalid, invalidKind, isArray, read } from "./invalid.js";
import { type ListFile, pageAt, rowsAt, TRANSFERRED_HINT } from "./list-file.js";
import type { Own } from "./own.js";
import { patchesOf } from "./patches.js";
import { bytesOfRows } from "./row-lists.js";
import type { Sources } from "./sources.js";

/** UTF-16 units of an id. */
const LONGEST_ID = 1_024;

/** A document on its way through the stages. */
export interface Candidate {
  /** In the caller's list. */
  index: number;
  id: string | undefined;
  text: string | undefined;
  brought: Brought | undefined;
  /** Null where there was no time for the last stage. */
  score: number | null;
  stages: StageResult[];
  truncated: boolean;
  fused?: number;
  sameAs?: number;
  explanation?: Explanation;
}

/** The embeddings that a document brought along. */
export interface Brought {
  rows: GivenRows;
  /** The model whose they are. */
  owner: Own;
  /** The list that has them at the document's place. */
  list?: ListFile;
}

export interface CandidateReading {
  sources: Sources;
  /** Whether a document with an id may be without a text, since its embeddings may be in a cache. */
  mayBeKnown: boolean;
  limits: Limits;
}

type Accessors<T> = Pick<RerankOptions<T>, "text" | "embeddings" | "id">;

export function candidatesOf<T>(documents: readonly T[], { text, embeddings, id }: Accessors<T>, reading: CandidateReading): Candidate[] {
  const bring = typeof embeddings === "object" ? listed(embeddings, documents.length, reading) : (document: T, index: number, name: string) => broughtBy(givenOf(document, index, name, embeddings), name, reading);
  const candidates = documents.map((document, index): Candidate => {
    const called = idOf(document, index, id);
    const name = nameOf(index, called);
    const brought = bring(document, index, name);
    const needsText = !brought && !(reading.mayBeKnown && called !== undefined);
    const found = needsText ? textOf(document, name, text) : textIfAny(document, name, text);
    if (found !== undefined) checkLength(name, found, reading.limits);
    return { index, id: called, text: found, brought, score: 0, stages: [], truncated: false };
  });
  requireRoom(candidates, reading.limits);
  return candidates;
}

/** The document's own name: by default one that is a string or a number. */
function idOf<T>(document: T, index: number, accessor: RerankOptions<T>["id"]): string | undefined {
  const place = `${nameOf(index)}: its id`;
  const id: unknown = accessor ? answerOf(() => accessor(document, index), place) : isRecord(document) ? read(document as { id?: unknown }, "id", place) : undefined;
  const text = typeof id === "number" ? String(id) : id;
  if (typeof text !== "string") {
    if (accessor && text !== undefined && text !== null) throw invalidKind(text, place, "a string or a number");
    return undefined;
  }
  if (text.length > LONGEST_ID) throw invalid(`${place} has ${text.length} UTF-16 units; at most ${LONGEST_ID} are taken`);
  return text === "" ? undefined : text;
}

function isRecord(document: unknown): boolean {
  return typeof document === "object" && document !== null;
}

type Bring = (document: unknown, index: number, name: string) => Brought | undefined;

/** Those of one list, by their places. */
function listed(given: Exclude<NonNullable<RerankOptions<unknown>["embeddings"]>, Function>, documents: number, { sources }: CandidateReading): Bring {
  const list = listFileOf(given, "embeddings");
  if (list.lengths.length !== documents) throw invalid(`embeddings is a list of ${list.lengths.length} documents, and documents has ${documents}`, TRANSFERRED_HINT);
  return (_, index, name) => {
    const stored = rowsAt(list, index);
    const patches = stored && patchesOf(pageAt(list, index), stored.rows, placeOf(name));
    const rows = stored && { ...stored, ...(list.embeddingId !== undefined && { embeddingId: list.embeddingId }), ...(patches && { patches }) };
    const owner = rows && sources.ownerOf(rows, placeOf(name));
    return owner && { rows, owner, list };
  };
}

function broughtBy(given: GivenEmbeddings | null | undefined, name: string, { sources, limits }: CandidateReading): Brought | undefined {
  const place = placeOf(name);
  const rows = rowsGiven(given, { place, limits, dimensionOf: sources.dimensionOf });
  const owner = rows && sources.ownerOf(rows, place);
  return owner && { rows, owner };
}

function placeOf(name: string): string {
  return `${name}: its embeddings`;
}

/** Without an accessor those under `embeddings`, if they are an object of their own, else the fields beside the document's. */
function givenOf<T>(document: T, index: number, name: string, accessor: ((document: T, index: number) => GivenEmbeddings | null | undefined) | undefined): GivenEmbeddings | null | undefined {
  const place = placeOf(name);
  if (accessor) return answerOf(() => accessor(document, index), place);
  if (!isRecord(document)) return undefined;
  const record = document as DocumentEmbeddings & Partial<ShapedEmbeddings>;
  const own: unknown = read(record, "embeddings", place);
  if (isVector(own)) return undefined;
  if (isRecord(own) && !ArrayBuffer.isView(own) && !isArray(own)) return own as GivenEmbeddings;
  const isBeside = (own !== undefined && own !== null) || readField(record, "embeddings_b64", place) !== undefined || read(record, "codec", place) === "residual";
  return isBeside ? (record as GivenEmbeddings) : undefined;
}

/** One vector of a document, as searches by a vector give it, is no late interaction's. */
function isVector(value: unknown): boolean {
  return isArray(value) && typeof answerOf(() => value[0], "") === "number";
}

function requireRoom(candidates: readonly Candidate[], limits: Limits): void {
  const bytes = candidates.reduce((sum, { brought }) => sum + (brought ? bytesOfRows(brought.rows) : 0), 0);
  if (bytes > limits.embeddingBytes) throw tooLarge("the call's embeddings", bytes, "bytes", limits.embeddingBytes, "embeddingBytes");
}
