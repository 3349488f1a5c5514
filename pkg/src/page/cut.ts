/**
 * Cuts a list into parts that workers take one after another. A part is as large as a share of what is left, so that the first ones are large, with a query read
 * for few of them, and the last ones small, with nobody waiting for long. They follow the list, so that its top is done first.
 */

/** Tokens of a part, the last one's apart: the engine's batch on a CPU has at most as many, and reads a query with each part. */
const LEAST = 512;

/** UTF-16 units that are taken for a token. What a list is cut by need not be exact: whoever has been given less comes back sooner. */
const TOKEN_LENGTH = 4;

/** Documents that go together. */
export interface Unit {
  /** In the list, in its order. */
  places: number[];
  /** In tokens. */
  cost: number;
}

export class Cut {
  readonly cost: number;
  readonly #units: readonly Unit[];
  #next = 0;
  #left: number;

  constructor(units: readonly Unit[]) {
    this.#units = units;
    this.cost = units.reduce((sum, { cost }) => sum + cost, 0);
    this.#left = this.cost;
  }

  /** How many workers there is enough to do for. */
  get workers(): number {
    return Math.min(this.#units.length, Math.max(Math.floor(this.cost / LEAST), 1));
  }

  get isLeft(): boolean {
    return this.#next < this.#units.length;
  }

  /** The next part, for one of so many workers: places in the list, in its order. */
  next(workers: number): number[] {
    const wanted = Math.max(this.#left / (2 * workers), LEAST);
    const places: number[] = [];
    for (let cost = 0; this.isLeft && cost < wanted; this.#next++) {
      const unit = this.#units[this.#next]!;
      places.push(...unit.places);
      cost += unit.cost;
      this.#left -= unit.cost;
    }
    return places.sort((a, b) => a - b);
  }
}

/** About how many tokens are read of a text. */
export function tokensOf({ length }: string, most: number): number {
  return Math.min(1 + length / TOKEN_LENGTH, most);
}
