/** Parts of an index in memory: those that were used last, up to a limit, and those that are pinned, which the browser may put elsewhere. */

import type { Bytes } from "../files.js";

/** Bytes of parts that are not pinned. */
const MOST = 32 * 1024 * 1024;

export class HeldParts {
  /** In the order of their last use. */
  readonly #parts = new Map<string, Bytes>();
  /** Blobs are the browser's to store: Chromium puts many of them on disk. */
  readonly #pinned = new Map<string, Blob>();
  #bytes = 0;

  async get(file: string): Promise<Bytes | undefined> {
    const pinned = this.#pinned.get(file);
    if (pinned) return new Uint8Array(await pinned.arrayBuffer());
    const bytes = this.#parts.get(file);
    if (bytes) this.add(file, bytes);
    return bytes;
  }

  add(file: string, bytes: Bytes): void {
    if (this.#pinned.has(file)) return;
    this.#drop(file);
    this.#parts.set(file, bytes);
    this.#bytes += bytes.length;
    for (const [oldest] of this.#parts) {
      if (this.#bytes <= MOST) break;
      this.#drop(oldest);
    }
  }

  pin(file: string, bytes: Bytes): void {
    this.#pinned.set(file, new Blob([bytes]));
  }

  #drop(file: string): void {
    this.#bytes -= this.#parts.get(file)?.length ?? 0;
    this.#parts.delete(file);
  }
}
