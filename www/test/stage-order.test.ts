import type { RerankResult } from "tabrank";
import { describe, expect, it } from "vitest";
import { orderAfter, type ShownStage, stagesBehind } from "../src/stage-order.ts";
import type { Candidate } from "../src/state.ts";

describe("orderAfter", () => {
  it("puts the results into the order of a stage, with its ranks and scores", () => {
    const uses = ["given", "bm25", "late"];
    const ranks = [[2, 1, 1], [1, 3, 2], [3, 2, 3]];
    const results = ranks.map((each, index) => ({ index, stages: each.map((rank, place) => ({ use: uses[place], rank, score: rank / 10 })) })) as RerankResult<Candidate>[];
    const shown = (stage: ShownStage) => orderAfter(results, stage).map(({ result, rank, score }) => [result.index, rank, score]);
    expect(shown("given")).toEqual([[1, 1, 0.1], [0, 2, 0.2], [2, 3, 0.3]]);
    expect(shown("bm25")).toEqual([[0, 1, 0.1], [2, 2, 0.2], [1, 3, 0.3]]);
    expect(shown("late").map(([index]) => index)).toEqual([0, 1, 2]);
  });
});

describe("stagesBehind", () => {
  it("ends with the stage that ranks, and says nothing twice", () => {
    expect(stagesBehind("vectors").map(({ use }) => use)).toEqual(["given", "bm25", "late"]);
    expect(stagesBehind("index").map(({ use }) => use)).toEqual(["given", "bm25", "late"]);
    expect(stagesBehind("words").map(({ use }) => use)).toEqual(["given", "late"]);
  });
});
