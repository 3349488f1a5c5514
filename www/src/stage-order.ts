// In which order did each stage leave the candidates? The stages rank all of them and remove none, so that orders can be compared.
import type { RerankResult, Stage } from "tabrank";
import type { FirstStage } from "./first-stage-words.ts";
import type { Candidate } from "./state.ts";

const GIVEN = { use: "given", score: ({ score }: Candidate) => score } as const;

/** Behind a search by words, BM25 would say the same once more. */
export function stagesBehind(first: FirstStage): Stage<Candidate>[] {
  return first === "words" ? [GIVEN, { use: "late" }] : [GIVEN, { use: "bm25" }, { use: "late" }];
}

/** A stage whose order can be shown, the first one as `given`. */
export type ShownStage = "given" | "bm25" | "late";

export interface Placed {
  result: RerankResult<Candidate>;
  /** After the stage, from 1. */
  rank: number;
  score: number;
}

/** All results have been through that stage. */
export function orderAfter(results: readonly RerankResult<Candidate>[], stage: ShownStage): Placed[] {
  const placed = results.map((result) => {
    const { rank, score } = result.stages.find(({ use }) => use === stage)!;
    return { result, rank, score };
  });
  return placed.sort((a, b) => a.rank - b.rank);
}
