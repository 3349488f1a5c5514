/**
 * How many workers pay? As many as were asked for; with `auto` as many as there are cores and memory for, and as a measurement bears out: two virtual cores may be one,
 * and whether they are nobody says. The number is doubled for as long as twice as many were faster by a quarter, each number measured on calls that it did from
 * start to end, of which the best counts.
 */

import { builtin } from "../node.js";
import type { ModelInfo } from "../types.js";

/** Gigabytes that a machine is taken to have which does not say. */
const MEMORY = 4;

/** The part of the memory that workers may take. */
const SHARE = 1 / 4;

/** More gain little: they share one memory. */
const MOST = 8;

/** How much faster twice as many have to be. */
const GAIN = 1.25;

/** Calls that a number is measured by: the first one's code may be cold. */
const CALLS = 2;

export class Headcount {
  readonly #isAuto: boolean;
  /** Milliseconds a token, the best of each number's. */
  readonly #best = new Map<number, { pace: number; calls: number }>();
  #most: number;
  #wanted: number;
  #isSettled = false;

  constructor(workers: "auto" | number, model: ModelInfo) {
    this.#isAuto = workers === "auto";
    this.#most = workers === "auto" ? mostFor(model) : workers;
    this.#wanted = Math.min(this.#isAuto ? 2 : this.#most, this.#most);
  }

  get wanted(): number {
    return this.#wanted;
  }

  /** One could not load the model: there may be no memory for it. */
  failed(): void {
    this.#most = Math.max(this.#wanted - 1, 1);
    this.#wanted = this.#most;
  }

  /** So many workers took so many milliseconds for so many tokens. */
  measured(workers: number, tokens: number, milliseconds: number): void {
    const { pace, calls } = this.#best.get(workers) ?? { pace: Infinity, calls: 0 };
    this.#best.set(workers, { pace: Math.min(pace, milliseconds / tokens), calls: calls + 1 });
    if (this.#isAuto && !this.#isSettled && workers === this.#wanted) this.#decide(workers);
  }

  #decide(workers: number): void {
    const half = Math.ceil(workers / 2);
    const [now, before] = [this.#best.get(workers)!, this.#best.get(half)];
    if (now.calls < CALLS || workers === 1 || !before) return;
    const pays = now.pace * GAIN <= before.pace;
    this.#isSettled = !pays || workers === this.#most;
    this.#wanted = pays ? Math.min(2 * workers, this.#most) : half;
  }
}

/** Whether there may be more than one, whatever the model. */
export function mayBeSeveral(workers: "auto" | number): boolean {
  return workers === "auto" ? cores() > 1 : workers > 1;
}

/** By cores and memory: a worker takes half as much again as the weights, and what calls take. */
function mostFor({ weightBytes }: ModelInfo): number {
  const { deviceMemory = MEMORY } = (globalThis.navigator ?? {}) as { deviceMemory?: number };
  const fitting = Math.floor((deviceMemory * 1e9 * SHARE) / (1.5 * weightBytes + 1e8));
  return Math.max(Math.min(cores(), fitting, MOST), 1);
}

export function cores(): number {
  // Node had no navigator before its version 21.
  if (!globalThis.navigator) return builtin<{ availableParallelism(): number }>("os")?.availableParallelism() ?? 1;
  return navigator.hardwareConcurrency ?? 1;
}
