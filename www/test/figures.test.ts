import type { Explanation } from "tabrank";
import { describe, expect, it } from "vitest";
import { count, duration, megabytes, megabytesOf, milliseconds, percent } from "../src/format.ts";
import { HEAT_LEVELS, heatLevel, heatScale, levelFloor } from "../src/heat.ts";
import { asProblem, failure } from "../src/problem.ts";
import { rankChange } from "../src/rank-change.ts";
import { maySwapSilently } from "../src/swap.ts";

describe("rankChange", () => {
  it("says in words how far a candidate moved", () => {
    expect(rankChange(8, 1)).toEqual({ direction: "up", text: "up 7" });
    expect(rankChange(1, 3)).toEqual({ direction: "down", text: "down 2" });
    expect(rankChange(4, 4)).toEqual({ direction: "same", text: "same" });
  });
});

describe("duration", () => {
  it("is told as coarsely as it is known", () => {
    expect([200, 1_400, 40_000, 89_000, 91_000, 540_000, 9_000_000].map(duration)).toEqual(["1 second", "1 second", "40 seconds", "89 seconds", "2 minutes", "9 minutes", "3 hours"]);
  });
});

describe("heat", () => {
  const explanation = (...similarities: number[]) =>
    ({ score: 0, matches: similarities.map((similarity) => ({ similarity })) }) as Explanation;

  it("has one scale for all results of a question", () => {
    expect(heatScale([explanation(0.5, 0.2), explanation(-0.1), explanation()])).toEqual({ low: -0.1, high: 0.5 });
    expect(heatScale([])).toEqual({ low: 0, high: 0 });
  });

  it("spreads the levels evenly from the weakest to the strongest", () => {
    const scale = { low: 0, high: 1 };
    expect([0, 0.19, 0.2, 0.5, 0.99, 1].map((s) => heatLevel(scale, s))).toEqual([1, 1, 2, 3, 5, 5]);
    expect(heatLevel(scale, -5)).toBe(1);
    expect(heatLevel(scale, 5)).toBe(HEAT_LEVELS);
  });

  it("gives the full level where all similarities are equal", () => {
    expect(heatLevel({ low: 0.4, high: 0.4 }, 0.4)).toBe(HEAT_LEVELS);
  });

  it("knows where a level begins", () => {
    const scale = { low: 0.2, high: 0.7 };
    for (let level = 1; level <= HEAT_LEVELS; level++) {
      expect(heatLevel(scale, levelFloor(scale, level) + 1e-9)).toBe(level);
    }
  });
});

describe("maySwapSilently", () => {
  it("spares a list that the reader has touched, beyond the first moment", () => {
    expect(maySwapSilently(5000, false)).toBe(true);
    expect(maySwapSilently(300, true)).toBe(true);
    expect(maySwapSilently(301, true)).toBe(false);
  });
});

describe("format", () => {
  it("writes numbers as people read them", () => {
    expect(count(1065, "paragraph")).toBe("1,065 paragraphs");
    expect(count(1, "paragraph")).toBe("1 paragraph");
    expect(megabytes(90_868_376)).toBe("91 MB");
    expect(megabytes(4_050_000)).toBe("4.0 MB");
    expect(megabytes(12_345)).toBe("12 kB");
    expect(megabytesOf(45_219_840, 90_868_376)).toBe("45.2 of 90.9 MB");
    expect(megabytesOf(45_219_840, 0)).toBe("45.2 MB");
    expect(milliseconds(1.64)).toBe("1.6 ms");
    expect(milliseconds(4310.4)).toBe("4,310 ms");
    expect(percent(0.1234)).toBe("12.3 %");
  });
});

describe("asProblem", () => {
  it("takes code and hint from the package’s errors", () => {
    const error = Object.assign(new Error("lost"), { code: "NETWORK", hint: "Try again." });
    expect(asProblem(error)).toEqual({ code: "NETWORK", message: "lost", hint: "Try again." });
  });

  it("keeps its own errors as they are, and makes something of anything", () => {
    expect(asProblem(failure("DATA_INVALID", "broken"))).toEqual({ code: "DATA_INVALID", message: "broken" });
    expect(asProblem(new TypeError("odd"))).toEqual({ code: "UNEXPECTED", message: "odd" });
    expect(asProblem("text")).toMatchObject({ code: "UNEXPECTED", message: "text" });
    expect(asProblem(new DOMException("gone", "DataCloneError")).code).toBe("UNEXPECTED");
  });
});
