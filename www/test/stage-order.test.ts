import type { RerankResult } from "tabrank";
import { describe, expect, it } from "vitest";
import { LAST, orderAfter, STAGES } from "../src/stage-order.ts";
import type { Candidate } from "../src/state.ts";

describe("orderAfter", () => {
  it("puts the results into the order of a stage, with its ranks and scores", () => {
    const ranks = [[2, 1, 1], [1, 3, 2], [3, 2, 3]];
    const results = ranks.map((each, index) => ({ index, stages: each.map((rank) => ({ rank, score: rank / 10 })) })) as RerankResult<Candidate>[];
    const shown = (stage: 0 | 1 | 2) => orderAfter(results, stage).map(({ result, rank, score }) => [result.index, rank, score]);
    expect(shown(0)).toEqual([[1, 1, 0.1], [0, 2, 0.2], [2, 3, 0.3]]);
    expect(shown(1)).toEqual([[0, 1, 0.1], [2, 2, 0.2], [1, 3, 0.3]]);
    expect(shown(LAST).map(([index]) => index)).toEqual([0, 1, 2]);
  });

  it("ends with the stage that ranks", () => {
    expect(STAGES[LAST].use).toBe("late");
  });
});
