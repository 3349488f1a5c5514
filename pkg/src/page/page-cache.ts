/** Pages in a model's vector cache: what a page's pixels have become is known by their hash. */

import type { Bytes } from "../files.js";
import type { PageAnswer } from "../protocol.js";
import { sha256 } from "../storage/hash.js";
import type { Device, ModelInfo } from "../types.js";
import { VERSION } from "../version.js";
import type { DocumentCache } from "./document-cache.js";
import { packedPage, unpackedPage } from "./packed-page.js";

/** What a page's embeddings depend on, beside its pixels and the model. */
export interface PageCircumstances {
  device: Device;
  longestEdge: number | undefined;
  onlyPatches: boolean | undefined;
}

export class PageCache {
  readonly #cache: DocumentCache;
  readonly #model: ModelInfo;
  /** When the call began: what is cleared after that stays away. */
  readonly #era: number;

  constructor(cache: DocumentCache, model: ModelInfo) {
    this.#cache = cache;
    this.#model = model;
    this.#era = cache.store.era;
  }

  get codec(): DocumentCache["codec"] {
    return this.#cache.codec;
  }

  /** Undefined where nothing can be hashed. */
  async hashOf(rgba: Bytes): Promise<string | undefined> {
    try {
      return await sha256(rgba);
    } catch (error) {
      this.#cache.failed(error);
      return undefined;
    }
  }

  async find(hash: string, size: readonly [number, number], circumstances: PageCircumstances): Promise<PageAnswer | undefined> {
    const { codec, store } = this.#cache;
    const key = this.#keyOf(hash, size, circumstances);
    const [bytes] = this.#era === store.era ? await store.find([key]) : [];
    const page = bytes && unpackedPage(bytes, { codec, dimension: this.#model.dimension });
    if (bytes && !page) store.drop([key]);
    return page;
  }

  keep(hash: string, size: readonly [number, number], circumstances: PageCircumstances, page: PageAnswer): void {
    this.#cache.store.keep(new Map([[this.#keyOf(hash, size, circumstances), packedPage(page)]]), this.#era);
  }

  /** Another version of this package may round in another way. */
  #keyOf(hash: string, size: readonly [number, number], { device, longestEdge, onlyPatches = false }: PageCircumstances): string {
    const scope = [VERSION, this.#model.embeddingId, device, this.#cache.codec, longestEdge ?? null, onlyPatches, size];
    return `${JSON.stringify(scope)}/page/${hash}`;
  }
}
