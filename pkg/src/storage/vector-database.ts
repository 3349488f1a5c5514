/**
 * Bytes by their key that stay in this browser (IndexedDB), up to a number of them: what was not used for longest goes first.
 *
 * | store | holds |
 * | --- | --- |
 * | `vectors` | by its key an entry's bytes and their SHA-256 |
 * | `uses` | by the same key when it was last used, and its bytes: what goes next is found without a look at any entry |
 * | `totals` | the bytes of all entries |
 *
 * Every change is one transaction over all three, so that any number of tabs may write at once. An entry is checked by its hash when it is read.
 */

import type { Bytes } from "../files.js";
import { sha256 } from "./hash.js";
import { answerTo, endOf } from "./transactions.js";

/** Names the format too: a later one has another name. */
export const DATABASE = "tabrank-vectors-v1";

const STORES = ["vectors", "uses", "totals"] as const;

interface Stored {
  bytes: Bytes;
  sha256: string;
}

interface Use {
  /** Milliseconds since 1970. */
  used: number;
  bytes: number;
}

export class VectorDatabase {
  #most: number;
  #opening: Promise<IDBDatabase> | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** Of each key the bytes; undefined where there are none, or they are damaged, and then they are dropped. */
  async read(keys: readonly string[]): Promise<(Bytes | undefined)[]> {
    const store = (await this.#open()).transaction("vectors").objectStore("vectors");
    const found: unknown[] = await Promise.all(keys.map((key) => answerTo(store.get(key))));
    const sound = await Promise.all(found.map(soundBytes));
    const damaged = keys.filter((_, place) => found[place] !== undefined && !sound[place]);
    if (damaged.length > 0) await this.drop(damaged);
    return sound;
  }

  /** Adds entries, and notes that others are in use, which have no bytes here. */
  async write(entries: ReadonlyMap<string, Bytes | undefined>): Promise<void> {
    const stored = await Promise.all(Array.from(entries, async ([key, bytes]) => ({ key, entry: bytes && { bytes, sha256: await sha256(bytes) } })));
    try {
      await this.#change((writing) => Promise.all(stored.map(({ key, entry }) => writing.put(key, entry))));
    } catch (error) {
      // There is less room than was asked for: half of what there is has to do, and is kept in order as before.
      if (error instanceof DOMException && error.name === "QuotaExceededError") await this.#halve();
      throw error;
    }
  }

  drop(keys: readonly string[]): Promise<void> {
    return this.#change((writing) => Promise.all(keys.map((key) => writing.drop(key))));
  }

  async bytes(): Promise<number> {
    const store = (await this.#open()).transaction("totals").objectStore("totals");
    return numberOr(0, await answerTo(store.get("bytes")));
  }

  async clear(): Promise<void> {
    const transaction = (await this.#open()).transaction(STORES, "readwrite");
    for (const name of STORES) transaction.objectStore(name).clear();
    await endOf(transaction);
  }

  close(): void {
    void this.#opening?.then((database) => database.close()).catch(() => {});
    this.#opening = undefined;
  }

  async #halve(): Promise<void> {
    this.#most = Math.floor((await this.bytes()) / 2);
    await this.#change(async () => {});
  }

  async #change(task: (writing: Writing) => Promise<unknown>): Promise<void> {
    const transaction = (await this.#open()).transaction(STORES, "readwrite", { durability: "relaxed" });
    const writing = new Writing(transaction, this.#most);
    const work = writing.begin().then(() => task(writing)).then(() => writing.finish());
    await Promise.all([work.catch((error: unknown) => undone(transaction, error)), endOf(transaction)]);
  }

  /** Throws where the browser denies storage, also when it is asked again. */
  #open(): Promise<IDBDatabase> {
    this.#opening ??= opened((closed) => {
      // Whoever deletes it shall not have to wait; the next call opens what is there then.
      void this.#opening?.then((database) => database === closed && (this.#opening = undefined));
    });
    return this.#opening;
  }
}

/** A change, as its transaction sees it. */
class Writing {
  readonly #vectors: IDBObjectStore;
  readonly #uses: IDBObjectStore;
  readonly #totals: IDBObjectStore;
  readonly #now = Date.now();
  #bytes = 0;

  /** `most`: bytes that it leaves. */
  constructor(
    transaction: IDBTransaction,
    private readonly most: number,
  ) {
    [this.#vectors, this.#uses, this.#totals] = STORES.map((name) => transaction.objectStore(name)) as [IDBObjectStore, IDBObjectStore, IDBObjectStore];
  }

  async begin(): Promise<void> {
    this.#bytes = numberOr(0, await answerTo(this.#totals.get("bytes")));
  }

  async put(key: string, entry: Stored | undefined): Promise<void> {
    const before = await this.#use(key);
    const bytes = entry?.bytes.length ?? before?.bytes;
    if (bytes === undefined || bytes > this.most) return;
    if (entry) this.#vectors.put(entry, key);
    this.#uses.put({ used: this.#now, bytes }, key);
    this.#bytes += bytes - (before?.bytes ?? 0);
  }

  async drop(key: string): Promise<void> {
    this.#remove(key, await this.#use(key));
  }

  async finish(): Promise<void> {
    if (this.#bytes > this.most) await this.#evict();
    this.#totals.put(this.#bytes, "bytes");
  }

  async #evict(): Promise<void> {
    const oldest = this.#uses.index("used").openCursor();
    while (this.#bytes > this.most) {
      const cursor = await answerTo(oldest);
      // Without an entry there are no bytes, whatever was noted of them.
      if (!cursor) return void (this.#bytes = 0);
      this.#remove(cursor.primaryKey, cursor.value as Use);
      cursor.continue();
    }
  }

  #use(key: string): Promise<Use | undefined> {
    return answerTo(this.#uses.get(key));
  }

  #remove(key: IDBValidKey, use: Use | undefined): void {
    this.#vectors.delete(key);
    this.#uses.delete(key);
    this.#bytes -= use?.bytes ?? 0;
  }
}

/** Deletes all that is there; whether there was a database. Tabs that have it open let go of it. */
export function deleteVectors(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(DATABASE);
    request.onsuccess = (event) => resolve((event as IDBVersionChangeEvent).oldVersion > 0);
    request.onerror = () => reject(request.error);
  });
}

async function opened(onClose: (database: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => {
    for (const name of STORES) request.result.createObjectStore(name);
    request.transaction!.objectStore("uses").createIndex("used", "used");
  };
  const database = await answerTo(request);
  database.onclose = () => onClose(database);
  database.onversionchange = () => {
    database.close();
    onClose(database);
  };
  return database;
}

/** Part of a change is none. */
function undone(transaction: IDBTransaction, error: unknown): never {
  try {
    transaction.abort();
  } catch {
    // It has ended by the same error.
  }
  throw error;
}

async function soundBytes(stored: unknown): Promise<Bytes | undefined> {
  const { bytes, sha256: hash } = (stored ?? {}) as Partial<Stored>;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return (await sha256(bytes)) === hash ? bytes : undefined;
}

function numberOr(other: number, value: unknown): number {
  return typeof value === "number" ? value : other;
}
