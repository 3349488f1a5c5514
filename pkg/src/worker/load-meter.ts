/** Counts a load's bytes in the worker, and says so at most ten times a second: phases and a change of worker come on top, and 20 are promised. */

import type { LoadProgress } from "../protocol.js";

const INTERVAL = 100;

export class LoadMeter {
  readonly #post: (progress: LoadProgress) => void;
  readonly #received = new Map<string, number>();
  #phase: LoadProgress["phase"] = "compile";
  #total = 0;
  #remote = false;
  #posted = 0;

  constructor(post: (progress: LoadProgress) => void) {
    this.#post = post;
  }

  phase(phase: LoadProgress["phase"]): void {
    this.#phase = phase;
    this.#send();
  }

  /** A file has come as far as this; less than before when it is fetched anew. */
  bytes(file: string, received: number, fromCache: boolean): void {
    this.#received.set(file, received);
    if (!fromCache) this.#remote = true;
    if (performance.now() - this.#posted >= INTERVAL) this.#send(file);
  }

  /** No other file is missing but these, of these sizes: the total is known. */
  expect(files: [name: string, size: number][]): void {
    if (this.#total > 0) return;
    const pending = files.reduce((sum, [name, size]) => sum + size - (this.#received.get(name) ?? 0), 0);
    this.#total = this.#loaded() + pending;
    this.#send();
  }

  #send(file?: string): void {
    const loaded = this.#loaded();
    const fromCache = !this.#remote && this.#received.size > 0;
    this.#posted = performance.now();
    this.#post({ phase: this.#phase, loaded, total: this.#total, fromCache, ...(file !== undefined && { file }) });
  }

  #loaded(): number {
    let sum = 0;
    for (const received of this.#received.values()) sum += received;
    return sum;
  }
}
