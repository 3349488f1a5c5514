/**
 * Documents' vectors by their key, for the next query: in memory, and where it is asked for in this browser's storage too. Reads are waited for, but not for
 * long; writes happen behind. What storage does not give is not there, and what it does not take is forgotten with the page: no call fails by it.
 *
 * A text is never stored: a key names it by its SHA-256. The vectors tell of it all the same, to whoever has them and the model.
 */

import type { Bytes } from "../files.js";
import { within } from "../patience.js";
import { RecentEntries } from "./recent-entries.js";
import { VectorDatabase } from "./vector-database.js";

/** Milliseconds that a read is waited for. To encode what it would have found takes some times longer. */
const PATIENCE = 500;

export class VectorCache {
  readonly #memory: RecentEntries;
  readonly #database: VectorDatabase | undefined;
  readonly #onFailure: (error: unknown) => void;
  /** What is still to be written, behind all calls; no bytes for what is only in use. */
  #unwritten = new Map<string, Bytes | undefined>();
  #writing: Promise<void> | undefined;
  /** A read that nobody waits for any more: until it ends, storage is not asked again. */
  #isLate = false;
  #clearings = 0;

  /** `most`: bytes in memory, and as many in storage with `persist`. `onFailure` hears whatever storage fails with. */
  constructor(most: number, persist: boolean, onFailure: (error: unknown) => void) {
    this.#memory = new RecentEntries(most);
    this.#database = persist ? new VectorDatabase(most) : undefined;
    this.#onFailure = onFailure;
  }

  /** Changes when all is cleared. */
  get era(): number {
    return this.#clearings;
  }

  /** What there is of each key. */
  async find(keys: readonly string[]): Promise<(Bytes | undefined)[]> {
    const { era } = this;
    const found = keys.map((key) => this.#memory.get(key));
    const rest = keys.filter((_, place) => !found[place]);
    const stored = rest.length > 0 ? await this.#stored(rest) : [];
    if (era !== this.era) return keys.map(() => undefined);
    const all = new Map(rest.map((key, place) => [key, stored[place]]));
    for (const [key, bytes] of all) if (bytes) this.#memory.put(key, bytes);
    return keys.map((key, place) => found[place] ?? all.get(key)).map((bytes, place) => (bytes && this.#note(keys[place]!), bytes));
  }

  /** Keeps what was made of a call that began in this era: what has been cleared since stays away. */
  keep(entries: ReadonlyMap<string, Bytes>, era: number): void {
    if (era !== this.era) return;
    for (const [key, bytes] of entries) {
      this.#memory.put(key, bytes);
      this.#note(key, bytes);
    }
  }

  /** Forgets what turned out to be no use. */
  drop(keys: readonly string[]): void {
    for (const key of keys) {
      this.#memory.delete(key);
      this.#unwritten.delete(key);
    }
    void this.#database?.drop(keys).catch((error) => this.#failed(error));
  }

  /** Bytes that are kept, what is being written included. */
  async size(): Promise<{ memory: number; stored: number }> {
    await this.#writing;
    const stored = (await this.#database?.bytes().catch((error) => this.#failed(error))) ?? 0;
    return { memory: this.#memory.bytes, stored };
  }

  /** Rejects where storage could not be cleared. */
  async clear(): Promise<void> {
    this.#clearings++;
    this.#memory.clear();
    this.#unwritten.clear();
    await this.#writing;
    await this.#database?.clear();
  }

  /** Lets memory go. What was to be written is. */
  async close(): Promise<void> {
    this.#clearings++;
    this.#memory.clear();
    await this.#writing;
    this.#database?.close();
  }

  async #stored(keys: readonly string[]): Promise<(Bytes | undefined)[]> {
    if (!this.#database || this.#isLate) return [];
    const reading = this.#database.read(keys);
    try {
      return await within(PATIENCE, reading, () => new DOMException("storage gave no answer", "TimeoutError"));
    } catch (error) {
      this.#isLate = true;
      void reading.catch(() => {}).then(() => (this.#isLate = false));
      this.#failed(error);
      return [];
    }
  }

  #failed(error: unknown): undefined {
    this.#onFailure(error);
  }

  #note(key: string, bytes?: Bytes): void {
    if (!this.#database) return;
    this.#unwritten.set(key, bytes ?? this.#unwritten.get(key));
    // Once the caller has what it came for.
    this.#writing ??= Promise.resolve().then(() => this.#write(this.#database!));
  }

  /** What comes while it writes is written next, all of it at once. */
  async #write(database: VectorDatabase): Promise<void> {
    while (this.#unwritten.size > 0) {
      const entries = this.#unwritten;
      this.#unwritten = new Map();
      await database.write(entries).catch((error) => this.#failed(error));
    }
    this.#writing = undefined;
  }
}
