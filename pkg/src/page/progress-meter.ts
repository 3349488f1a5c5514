/** Holds what {@link Progress} promises, also when a worker dies during the load and the next one begins from the start. */

import type { LoadProgress } from "../protocol.js";
import type { Progress } from "../types.js";
import { notify } from "./notify.js";

const PHASES: Progress["phase"][] = ["compile", "download", "convert", "load", "check", "ready"];

/** What all bytes of the download come to. */
const DOWNLOADED = 0.9;

/** `progress` at the start of each phase. */
const START = { compile: 0, download: 0, convert: DOWNLOADED, load: 0.92, check: 0.95, ready: 1 };

export class ProgressMeter {
  readonly #listener: ((progress: Progress) => void) | undefined;
  #last: Progress = { phase: "compile", loaded: 0, total: 0, progress: 0, fromCache: false };
  #isRemote = false;
  #ended = false;

  constructor(listener: ((progress: Progress) => void) | undefined) {
    this.#listener = listener;
  }

  report(now: LoadProgress): void {
    if (PHASES.indexOf(now.phase) < PHASES.indexOf(this.#last.phase)) return;
    const total = this.#last.total || now.total;
    const most = total || Infinity;
    const loaded = Math.min(Math.max(this.#last.loaded, now.loaded), most);
    const bytes = now.phase === "download" ? (DOWNLOADED * loaded) / most : START[now.phase];
    if (now.loaded > 0 && !now.fromCache) this.#isRemote = true;
    this.#emit({ ...now, fromCache: loaded > 0 && !this.#isRemote, loaded, total, progress: Math.max(this.#last.progress, bytes) });
  }

  ready(): void {
    const { total, loaded, fromCache } = this.#last;
    this.#emit({ phase: "ready", loaded: total || loaded, total: total || loaded, progress: 1, fromCache });
    this.stop();
  }

  /** No event comes after this. */
  stop(): void {
    this.#ended = true;
  }

  #emit(progress: Progress): void {
    if (this.#ended) return;
    this.#last = progress;
    notify(this.#listener, progress);
  }
}
