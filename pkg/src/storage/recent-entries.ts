/** Bytes by their key in memory, up to a number of them: what was not used for longest goes first. */

import type { Bytes } from "../files.js";

/** Bytes that an entry takes beside its own, to be on the safe side: its key, its array, its place in the map. */
const OVERHEAD = 512;

export class RecentEntries {
  /** In the order in which they were last used. */
  readonly #entries = new Map<string, Bytes>();
  #bytes = 0;

  constructor(private readonly most: number) {}

  /** With what entries take beside their own. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Bytes | undefined {
    const bytes = this.#entries.get(key);
    if (!bytes) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, bytes);
    return bytes;
  }

  /** One that takes more than there may be in all is not kept. */
  put(key: string, bytes: Bytes): void {
    this.delete(key);
    if (costOf(bytes) > this.most) return;
    this.#entries.set(key, bytes);
    this.#bytes += costOf(bytes);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.most) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const bytes = this.#entries.get(key);
    if (!bytes) return;
    this.#entries.delete(key);
    this.#bytes -= costOf(bytes);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

function costOf({ buffer }: Bytes): number {
  return buffer.byteLength + OVERHEAD;
}
