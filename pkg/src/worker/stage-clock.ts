/** Milliseconds spent in each part of a call, and in each stage of a ranking. One lasts until the next one begins, and may come again: a part does for each batch. */

import type { Timings } from "../ranking.js";

export class StageClock {
  readonly #begin = performance.now();
  readonly #parts = new Laps<string>();
  readonly #stages = new Laps<number>();

  /** A part begins. */
  part(name: string): void {
    this.#parts.begin(name);
  }

  /** The stage of a ranking at this place begins. */
  stage(place: number): void {
    this.#stages.begin(place);
  }

  /** `stages`: how many the ranking has. */
  stop(stages: number): Timings {
    const total = performance.now() - this.#begin;
    const [tokenize, encode, score, explain] = ["tokenize", "encode", "score", "explain"].map((name) => this.#parts.of(name)) as [number, number, number, number];
    return { tokenize, encode, score, explain, total, stages: Array.from({ length: stages }, (_, place) => this.#stages.of(place)) };
  }
}

class Laps<K> {
  readonly #times = new Map<K, number>();
  #current: K | undefined;
  #since = 0;

  begin(key: K | undefined): void {
    const now = performance.now();
    if (this.#current !== undefined) this.#times.set(this.#current, (this.#times.get(this.#current) ?? 0) + now - this.#since);
    this.#current = key;
    this.#since = now;
  }

  /** Ends what runs. */
  of(key: K): number {
    this.begin(undefined);
    return this.#times.get(key) ?? 0;
  }
}
