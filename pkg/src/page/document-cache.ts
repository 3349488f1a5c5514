/**
 * A model's vector cache, as its calls use it. What is there of a list travels with the call as embeddings; what is not is encoded, scored in the same codec, and
 * comes back with the answer. So a score is the same whatever was asked before.
 */

import type { Bytes } from "../files.js";
import type { KeptCodec, KeptVectors, VectorGroup, Windows } from "../protocol.js";
import { sha256 } from "../storage/hash.js";
import { VectorCache } from "../storage/vector-cache.js";
import type { Device, ModelInfo, TokenPooling } from "../types.js";
import { VERSION } from "../version.js";
import { type Coding, grouped, packed, type Unpacked, unpacked } from "./packed-vectors.js";

/** What is looked for: a text, or where there is none the one that a document of this id had last. */
export interface Sought {
  /** In the call's list. */
  place: number;
  /** In the caller's. */
  index: number;
  text?: string | undefined;
  id?: string | undefined;
}

/** What a document's embeddings depend on, beside its text and the model. */
export interface Circumstances {
  device: Device;
  windows?: Windows | undefined;
  tokenPooling?: TokenPooling | undefined;
}

/** What the cache knew when a worker was asked. */
export interface Findings {
  /** By their places in the call's list. */
  hits: ReadonlyMap<number, Unpacked>;
  vectors: VectorGroup | undefined;
  /** Of each document that was looked for; undefined of an id that is not known. */
  keys: ReadonlyMap<number, string | undefined>;
  /** Where a document's id leads to its text's key. */
  names: ReadonlyMap<number, string>;
  era: number;
}

export class DocumentCache {
  readonly codec: KeptCodec;
  readonly store: VectorCache;
  readonly #embeddingId: string;
  readonly #coding: Coding;
  readonly #onFailure: (error: unknown) => void;

  constructor({ embeddingId, dimension }: ModelInfo, { codec, maxBytes, persist }: { codec: KeptCodec; maxBytes: number; persist: boolean }, onFailure: (error: unknown) => void) {
    this.codec = codec;
    this.store = new VectorCache(maxBytes, persist, onFailure);
    this.#embeddingId = embeddingId;
    this.#coding = { codec, dimension };
    this.#onFailure = onFailure;
  }

  /** Storage did not do what it was asked for. */
  failed(error: unknown): void {
    this.#onFailure(error);
  }

  /** `era`: in which the ranking began. */
  async find(sought: readonly Sought[], circumstances: Circumstances, era: number): Promise<Findings> {
    const nothing = { hits: new Map(), vectors: undefined, keys: new Map(), names: new Map(), era };
    try {
      return await this.#found(sought, this.#scope(circumstances), nothing);
    } catch (error) {
      // Outside of a secure context there are no hashes.
      this.#onFailure(error);
      return nothing;
    }
  }

  /** Keeps what a call has encoded, and what its documents are called. */
  keep(kept: KeptVectors | undefined, { hits, keys, names, era }: Findings): void {
    const entries = new Map<string, Bytes>();
    const documents = kept ? packed(kept) : [];
    documents.forEach((bytes, text) => put(entries, keys.get(kept!.places[text]!), bytes));
    const known = new Set([...entries.keys(), ...Array.from(hits.keys(), (place) => keys.get(place))]);
    for (const [place, name] of names) {
      const key = keys.get(place);
      if (key !== undefined && known.has(key)) entries.set(name, bytesOf(key));
    }
    this.store.keep(entries, era);
  }

  /** Names all that embeddings depend on but the text. Another version of this package may round in another way. */
  #scope({ device, windows, tokenPooling }: Circumstances): string {
    return JSON.stringify([VERSION, this.#embeddingId, device, this.codec, windows ?? null, tokenPooling ?? null]);
  }

  async #found(sought: readonly Sought[], scope: string, nothing: Findings): Promise<Findings> {
    const names = await named(scope, "id", sought, ({ id }) => id);
    const own = await named(scope, "text", sought, ({ text }) => text);
    const called = new Map(await this.#read([...new Set(names.values())]));
    const keys = new Map(sought.map(({ place }) => [place, own.get(place) ?? textOf(called.get(names.get(place)!))]));
    const wanted = [...new Set(keys.values())].filter((key) => key !== undefined);
    const there = new Map(await this.#read(wanted));
    const hits = new Map<number, Unpacked>();
    for (const [place, key] of keys) put(hits, place, key === undefined ? undefined : this.#unpacked(key, there.get(key)));
    const vectors = hits.size > 0 ? grouped(hits) : undefined;
    const news = [...names].filter(([place, name]) => own.has(place) && textOf(called.get(name)) !== own.get(place));
    return { ...nothing, hits, vectors, keys, names: new Map(news) };
  }

  async #read(keys: readonly string[]): Promise<[string, Bytes | undefined][]> {
    const found = keys.length > 0 ? await this.store.find(keys) : [];
    return keys.map((key, place) => [key, found[place]]);
  }

  #unpacked(key: string, bytes: Bytes | undefined): Unpacked | undefined {
    const document = bytes && unpacked(bytes, this.#coding);
    if (bytes && !document) this.store.drop([key]);
    return document;
  }
}

/** The key of each that has such a name. */
async function named(scope: string, kind: "id" | "text", sought: readonly Sought[], of: (sought: Sought) => string | undefined): Promise<Map<number, string>> {
  const having = sought.filter((each) => of(each) !== undefined);
  const keys = having.map(async (each): Promise<[number, string]> => [each.place, `${scope}/${kind}/${await sha256(bytesOf(of(each)!))}`]);
  return new Map(await Promise.all(keys));
}

function put<K, V>(map: Map<K, V>, key: K | undefined, value: V | undefined): void {
  if (key !== undefined && value !== undefined) map.set(key, value);
}

function bytesOf(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

function textOf(bytes: Bytes | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}
