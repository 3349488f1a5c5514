import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cut, tokensOf, type Unit } from "../../src/page/cut.js";

const LEAST = 512;

/** Some units have several places, which are not next to each other. */
const unitsOf = (costs: readonly number[]) => costs.map((cost, at): Unit => ({ places: at % 5 === 0 ? [at, costs.length + at] : [at], cost }));

const costs = fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { maxLength: 200 });
const workers = fc.integer({ min: 1, max: 9 });

/** All parts, as so many workers in turn take them. */
function partsOf(cut: Cut, workers: number): number[][] {
  const parts: number[][] = [];
  while (cut.isLeft) parts.push(cut.next(workers));
  return parts;
}

describe("a list", () => {
  test.each(["dealt", "in a row"] as const)("that is cut (%s) is there once, in parts that are in its order and large enough", (order) => {
    fc.assert(
      fc.property(costs, workers, (costs, workers) => {
        const units = unitsOf(costs);
        const parts = partsOf(new Cut(units, order), workers);
        expect(parts.flat().sort((a, b) => a - b)).toEqual(units.flatMap(({ places }) => places).sort((a, b) => a - b));
        for (const part of parts) expect(part).toEqual([...part].sort((a, b) => a - b));
        const total = costs.reduce((sum, cost) => sum + cost, 0);
        // Each but the last few takes a good part of what is left.
        expect(parts.length).toBeLessThanOrEqual(3 + 4 * workers * Math.log2(2 + total / LEAST));
      }),
    );
  });

  test("in a row: each part begins where the one before it ends", () => {
    const parts = partsOf(new Cut(Array.from({ length: 100 }, (_, at) => ({ places: [at], cost: 100 })), "in a row"), 3);
    expect(parts.flat()).toEqual(Array.from({ length: 100 }, (_, at) => at));
    expect(parts.map(({ length }) => length)).toEqual([23, 18, 14, 10, 8, 6, 6, 6, 6, 3]);
  });

  test("dealt: three workers have the top of the list among them, in turn, and then that of what is left", () => {
    const cut = new Cut(Array.from({ length: 100 }, (_, at) => ({ places: [at], cost: 100 })), "dealt");
    const deal = () => [0, 1, 2].map(() => cut.next(3));
    const first = deal();
    expect(first.map((hand) => hand.slice(0, 3))).toEqual([[0, 3, 6], [1, 4, 7], [2, 5, 8]]);
    const gone = new Set(first.flat());
    const left = Array.from({ length: 100 }, (_, at) => at).filter((at) => !gone.has(at));
    expect(deal().map(([top]) => top)).toEqual(left.slice(0, 3));
  });

  test("is for as many workers as have enough to do", () => {
    const workersFor = (units: number, cost: number) => new Cut(unitsOf(new Array(units).fill(cost)), "dealt").workers;
    expect([workersFor(0, 1), workersFor(10, 10), workersFor(10, 102), workersFor(10, 103), workersFor(100, 50), workersFor(2, 5_000)]).toEqual([0, 1, 1, 2, 9, 2]);
  });
});

test("a text has no more tokens than are read of it", () => {
  expect([tokensOf("", 8), tokensOf("four and four", 8), tokensOf("x".repeat(1_000), 8)]).toEqual([1, 4.25, 8]);
});
