/** Milliseconds spent in each stage of a call. A stage lasts until the next one begins, and may come again for each batch. */

import type { Timings } from "../types.js";

export class StageClock {
  readonly #timings: Timings = { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0 };
  readonly #begin = performance.now();
  #stage: string | undefined;
  #since = this.#begin;

  stage(name: string | undefined): void {
    const now = performance.now();
    if (isTimed(this.#stage)) this.#timings[this.#stage] += now - this.#since;
    this.#stage = name;
    this.#since = now;
  }

  stop(): Timings {
    this.stage(undefined);
    this.#timings.total = this.#since - this.#begin;
    return this.#timings;
  }
}

function isTimed(stage: string | undefined): stage is Exclude<keyof Timings, "total" | "encoder"> {
  return stage === "tokenize" || stage === "encode" || stage === "score" || stage === "explain";
}
