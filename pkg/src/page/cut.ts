/**
 * Cuts a list into parts that workers take one after another. A part is a share of what is left, so that the first ones are large, with a query read for few of them,
 * and the last ones small, with nobody waiting for long. Where the order may be another, units are dealt as cards are: then the top of the list is done first,
 * however many are at it.
 */

/** Tokens of a part, the last one's apart: the engine's batch on a CPU has at most as many, and reads a query with each part. */
const LEAST = 512;

/** Into how many parts what is left would be cut for each worker: one would have all wait for the slowest, many would read the query as often. */
const SHARES = 1.5;

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
  /** How many workers there is enough to do for. */
  readonly workers: number;
  readonly #isDealt: boolean;
  #units: readonly Unit[];
  /** Hands that were taken of a deal. */
  #taken = 0;

  /** `order`: whether a part's units follow one another. */
  constructor(units: readonly Unit[], order: "dealt" | "in a row") {
    this.#units = units;
    this.#isDealt = order === "dealt";
    this.cost = costOf(units);
    this.workers = Math.min(units.length, Math.max(Math.floor(this.cost / LEAST), 1));
  }

  get isLeft(): boolean {
    return this.#units.length > 0;
  }

  /** The next part, for one of so many workers that there may be, of whom so many are `here`: places in the list, in its order. */
  next(workers: number, here = workers): number[] {
    const left = costOf(this.#units);
    const wanted = Math.max(left / (SHARES * workers), LEAST);
    const hands = this.#isDealt ? Math.max(Math.min(here, Math.floor(left / LEAST)), 1) : 1;
    // Those of the hands before are gone.
    const every = hands - (this.#taken % hands);
    this.#taken = (this.#taken + 1) % hands;
    const places: number[] = [];
    const rest: Unit[] = [];
    let cost = 0;
    for (const [at, unit] of this.#units.entries()) {
      if (at % every !== 0 || cost >= wanted) {
        rest.push(unit);
        continue;
      }
      places.push(...unit.places);
      cost += unit.cost;
    }
    this.#units = rest;
    return places.sort((a, b) => a - b);
  }
}

function costOf(units: readonly Unit[]): number {
  return units.reduce((sum, { cost }) => sum + cost, 0);
}

/** About how many tokens are read of a text. */
export function tokensOf({ length }: string, most: number): number {
  return Math.min(1 + length / TOKEN_LENGTH, most);
}
