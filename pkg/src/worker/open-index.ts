/** An index as the worker holds it: the engine says which parts it wants, and they are brought, a few at a time. */

import type { OpenIndexRequest, SearchIndexAnswer } from "../protocol.js";
import type { IndexInfo, IndexParts } from "../search.js";
import { causeOf } from "../storage/failure.js";
import { IndexCache } from "../storage/index-cache.js";
import type { Warning } from "../types.js";
import type { EngineModule, IndexPart, IndexSettings, SearchIndex } from "./engine.js";
import { codeOf } from "./failure.js";
import { type FoundPart, IndexFiles } from "./index-files.js";
import { Turns } from "./turns.js";

/** Over HTTP/1.1 a browser allows six connections to a server. */
const REQUESTS = 6;

/** Of bytes as an index is opened, of parts as it is searched. */
type Told = (done: number, total: number) => void;

/** Whoever opens an index. */
export interface Listeners {
  progress: Told;
  warn(warning: Warning): void;
}

/** Takes a part, or throws. */
type Taker = (file: string, bytes: Uint8Array) => void;

interface Gathering {
  take: Taker;
  signal?: AbortSignal;
  /** Also of parts that have come too late for what wanted them. */
  onPart(part: IndexPart, found: FoundPart): void | Promise<void>;
}

export class OpenIndex {
  readonly #turns = new Turns(REQUESTS);
  readonly #parts: ReadonlyMap<string, IndexPart>;

  private constructor(
    private readonly index: SearchIndex,
    private readonly files: IndexFiles,
    parts: readonly IndexPart[],
  ) {
    this.#parts = new Map(parts.map((part) => [part.file, part]));
  }

  get info(): IndexInfo {
    return this.index.info;
  }

  static async open(module: Pick<EngineModule, "SearchIndex">, { location, all }: OpenIndexRequest, listeners: Listeners): Promise<OpenIndex> {
    const files = new IndexFiles(location, await openCache(location, listeners));
    const manifest = await files.manifest();
    const index = new module.SearchIndex(manifest);
    const parts = index.parts();
    const open = new OpenIndex(index, files, parts);
    await files.adopt(manifest, parts);
    await open.#bring(all ? parts : open.#named(index.wanted()), all, listeners);
    return open;
  }

  async search({ query, ...settings }: { query: Float32Array } & IndexSettings, signal: AbortSignal, progress: Told): Promise<SearchIndexAnswer> {
    const begin = performance.now();
    const search = this.index.search(query, settings);
    const tally = new Tally();
    let total = 0;
    try {
      for (let wanted = search.wanted(); wanted.length > 0; wanted = search.wanted()) {
        const parts = this.#named(wanted);
        total += parts.length;
        const take: Taker = (file, bytes) => tally.computed(() => search.give(file, bytes));
        await tally.waited(() => this.#gather(parts, { take, signal, onPart: (part, found) => this.#read(part, found, tally, (done) => progress(done, total)) }));
      }
      const { ids, scores } = search.hits();
      const { fetched, read, waiting } = tally;
      return { ids, scores, fetched, read, timings: { fetch: waiting, search: performance.now() - begin - waiting } };
    } finally {
      search.free();
    }
  }

  /** What the index itself takes it keeps; of all else it is seen that it is right. */
  async #bring(parts: readonly IndexPart[], pinned: boolean, { progress }: Listeners): Promise<void> {
    const wanted = new Set(this.index.wanted());
    const take: Taker = (file, bytes) => (wanted.has(file) ? this.index.give(file, bytes) : this.index.check(file, bytes));
    const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const onPart = async (part: IndexPart, found: FoundPart) => {
      await this.files.keep(part, found, pinned);
      progress((done += part.bytes), total);
    };
    await this.#gather(parts, { take, onPart });
  }

  /** The answer does not wait until the browser has stored it. */
  #read(part: IndexPart, found: FoundPart, tally: Tally, told: (done: number) => void): void {
    tally.add(part, found);
    told(tally.read.parts);
    void this.files.keep(part, found, false);
  }

  #named(files: readonly string[]): IndexPart[] {
    return files.map((file) => this.#parts.get(file)!);
  }

  /** Requests that have begun when a search is cancelled go on: the next one may want the same parts. */
  async #gather(parts: readonly IndexPart[], { take, signal, onPart }: Gathering): Promise<void> {
    const run = { isOver: false };
    const takeOrCheck: Taker = (file, bytes) => (run.isOver ? this.index.check(file, bytes) : take(file, bytes));
    const bring = async (part: IndexPart) => {
      if (run.isOver) return;
      await onPart(part, await this.#taken(part, takeOrCheck));
    };
    const all = Promise.all(parts.map((part) => this.#turns.run(() => bring(part))));
    try {
      await Promise.race([all, ...(signal ? [aborted(signal)] : [])]);
    } finally {
      run.isOver = true;
    }
  }

  /** A part that is wrong may be so in a cache alone. */
  async #taken(part: IndexPart, take: Taker): Promise<FoundPart> {
    let found = await this.files.find(part);
    try {
      take(part.file, found.bytes);
    } catch (error) {
      if (codeOf(error) !== "INTEGRITY_FAILED") throw error;
      found = await this.files.again(part);
      take(part.file, found.bytes);
    }
    return found;
  }
}

/** What a search has read, and how long it waited for it. */
class Tally {
  readonly fetched: IndexParts = { parts: 0, bytes: 0 };
  readonly read: IndexParts = { parts: 0, bytes: 0 };
  waiting = 0;

  add({ bytes }: IndexPart, { from }: FoundPart): void {
    for (const parts of from === "server" ? [this.read, this.fetched] : [this.read]) {
      parts.parts++;
      parts.bytes += bytes;
    }
  }

  async waited(task: () => Promise<void>): Promise<void> {
    const begin = performance.now();
    await task();
    this.waiting += performance.now() - begin;
  }

  /** While parts are waited for. */
  computed(task: () => void): void {
    const begin = performance.now();
    task();
    this.waiting -= performance.now() - begin;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Undefined where nothing is to be kept: there is no storage in Node, and a browser may deny it. */
async function openCache(location: OpenIndexRequest["location"], { warn }: Listeners): Promise<IndexCache | undefined> {
  if (location.cache === "off" || globalThis.caches === undefined) return undefined;
  const onFailure = async (error: unknown) => {
    const message = `Parts of the index could not be kept in this browser's storage (${await causeOf(error)}); the next visit fetches them again.`;
    warn({ code: "CACHE_UNAVAILABLE", message });
  };
  try {
    return await IndexCache.open(location, onFailure);
  } catch (error) {
    await onFailure(error);
    return undefined;
  }
}
