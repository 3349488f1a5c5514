/** Holds what {@link PagesProgress} promises: pages never become fewer, and an end is told once. */

import type { PagesProgress } from "../pages.js";
import type { CallProgress, Progress } from "../types.js";
import { notify } from "./notify.js";

export class PagesMeter {
  readonly #listener: ((progress: PagesProgress) => void) | undefined;
  #last: PagesProgress;

  constructor(total: number, listener: ((progress: PagesProgress) => void) | undefined) {
    this.#listener = listener;
    this.#last = { phase: "encode", bytes: { loaded: 0, total: 0 }, done: 0, total, tiles: { done: 0, total: 0 } };
  }

  fetched({ loaded, total }: Progress): void {
    this.#tell({ phase: "fetch", bytes: { loaded, total } });
  }

  /** The next page is cut into so many tiles. */
  begins(tiles: number): void {
    this.#tell({ phase: "encode", tiles: { done: 0, total: tiles } });
  }

  tiles({ done, total }: CallProgress): void {
    this.#tell({ phase: "encode", tiles: { done, total } });
  }

  pageDone(): void {
    this.#tell({ phase: "encode", done: this.#last.done + 1, tiles: { done: 0, total: 0 } });
  }

  #tell(news: Partial<PagesProgress>): void {
    this.#last = { ...this.#last, ...news };
    notify(this.#listener, this.#last);
  }
}
