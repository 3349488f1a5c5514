// In which order did each stage leave the candidates? The stages rank all of them and remove none, so that orders can be compared.
import type { RerankResult, Stage } from "tabrank";
import type { Candidate } from "./state.ts";

export const STAGES = [{ use: "given", score: ({ score }) => score }, { use: "bm25" }, { use: "late" }] as const satisfies Stage<Candidate>[];

/** By place in {@link STAGES}. */
export type StagePlace = 0 | 1 | 2;

export const LAST: StagePlace = 2;

export interface Placed {
  result: RerankResult<Candidate>;
  /** After the stage, from 1. */
  rank: number;
  score: number;
}

export function orderAfter(results: readonly RerankResult<Candidate>[], stage: StagePlace): Placed[] {
  const placed = results.map((result) => ({ result, rank: result.stages[stage]!.rank, score: result.stages[stage]!.score }));
  return placed.sort((a, b) => a.rank - b.rank);
}
