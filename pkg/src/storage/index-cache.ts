/**
 * The parts of an index that stay in this browser, in a set of the content store: it lists all parts of one state of the index, of which those are there that some
 * search has wanted. A new state takes the place of the one before, and what only that had goes.
 */

import type { Bytes } from "../files.js";
import { ContentStore, type Entry, newSet, type StoredSet } from "./content-store.js";
import { sha256 } from "./hash.js";

/** Names the format too: a later one has another name. */
const CACHE = "tabrank-index-v1";

const MANIFEST = "index.json";

/** What tells an index from all others. */
export interface IndexPlace {
  /** Absolute, with everything that is sent as a part of it. */
  url: string;
  /** As it is named where it is cleared: the address without what may be secret. */
  source: string;
  headers: Record<string, string>;
}

interface About {
  source: string;
}

export class IndexCache {
  #hasFailed = false;

  private constructor(
    private readonly store: ContentStore<About>,
    private readonly key: string,
    private readonly source: string,
    private readonly onFailure: (error: unknown) => Promise<void>,
  ) {}

  /** Throws where the browser denies storage. `onFailure` hears the first write that fails; nothing more is kept then. */
  static async open({ url, source, headers }: IndexPlace, onFailure: (error: unknown) => Promise<void>): Promise<IndexCache> {
    const key = await hashOf(JSON.stringify([url, Object.entries(headers).sort()]));
    return new IndexCache(await ContentStore.open<About>(CACHE), key, source, onFailure);
  }

  /** The manifest of the state that is kept. */
  async manifest(): Promise<Bytes | undefined> {
    const entry = (await this.#current())?.entries[MANIFEST];
    return entry ? this.store.read(entry.sha256) : undefined;
  }

  /** Keeps parts of this state from now on. */
  async adopt(manifest: Bytes, parts: Record<string, Entry>): Promise<void> {
    const entry = { sha256: await sha256(manifest), bytes: manifest.length };
    if ((await this.#current())?.entries[MANIFEST]?.sha256 === entry.sha256) return;
    const set = { ...newSet<About>(this.key, { source: this.source }, {}), entries: { ...parts, [MANIFEST]: entry } };
    await this.#write(async () => {
      await this.store.settle(set);
      await this.store.fill(entry, manifest);
    });
    await this.store.collect().catch(() => {});
  }

  /** Undefined where the part is not there, or is damaged. */
  read({ sha256 }: Entry): Promise<Bytes | undefined> {
    return this.store.hold(() => this.store.read(sha256));
  }

  async keep(entry: Entry, bytes: Bytes): Promise<void> {
    await this.#write(() => this.store.fill(entry, bytes));
  }

  #current(): Promise<StoredSet<About> | undefined> {
    return this.store.current(this.key);
  }

  async #write(write: () => Promise<void>): Promise<void> {
    if (this.#hasFailed) return;
    try {
      await this.store.hold(write);
    } catch (error) {
      this.#hasFailed = true;
      await this.onFailure(error);
    }
  }
}

/** Deletes what is kept of every index, or of those from one source; whether there was anything. */
export async function clearIndexes(source?: string): Promise<boolean> {
  const store = await ContentStore.open<About>(CACHE);
  const dropped = await store.drop(({ about }) => source === undefined || about.source === source);
  await store.collect();
  return dropped;
}

function hashOf(text: string): Promise<string> {
  return sha256(new TextEncoder().encode(text) as Bytes);
}
