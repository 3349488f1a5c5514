/** The way of a ranking, call by call: which stages a call to a worker does, how many texts it gets, and what is asked of it. */

import type { RerankRequest } from "../protocol.js";
import { requireRoomForExplanations } from "./fit.js";
import { invalid } from "./invalid.js";
import type { CheckedRerank } from "./options.js";
import type { Own } from "./own.js";
import { type CheckedStage, runsOf } from "./stages.js";

/** For documents that are ranked already: each is given its score. */
const IN_THEIR_ORDER = { use: "given", score: () => undefined } as const;

/** One call to a worker. */
export interface Step<T> {
  own: Own;
  stages: CheckedStage<T>[];
  /** Texts that it ranks, at most. */
  size: number;
  ask: Pick<RerankRequest, "topK" | "explain" | "minScore" | "fuse" | "diversify">;
  /** It comes after all stages, for what a cross-encoder cannot do: it leaves the scores as they are. */
  finishes: boolean;
}

/** `texts`: how many there are. */
export function stepsOf<T>(own: Own, stages: readonly CheckedStage<T>[], query: string | Float32Array, texts: number, options: CheckedRerank<T>): Step<T>[] {
  const { topK = Infinity, explain = false, minScore, fuse, diversify } = options;
  let left = texts;
  const steps = runsOf(own, stages).map((run): Step<T> => {
    const size = left;
    left = Math.min(left, ...run.stages.map(({ keep = Infinity }) => keep));
    return { ...run, size, ask: { topK: size, explain: false }, finishes: false };
  });
  const last = steps.at(-1)!;
  const results = Math.min(topK, left);
  const finisher = explain || diversify !== undefined ? encoderOf(own, steps, explain) : last.own;
  if (explain) requireRoomForExplanations(query, results, finisher.model);
  if (finisher === last.own) {
    last.ask = { topK: results, explain, minScore, fuse, diversify };
    return steps;
  }
  last.ask = { topK: diversify === undefined ? results : last.size, explain: false, minScore, fuse };
  return [...steps, { own: finisher, stages: [IN_THEIR_ORDER], size: 0, ask: { topK: results, explain, diversify }, finishes: true }];
}

/** Whose embeddings explain, or tell documents apart: those of the last stage `late`, else of the last model that is an encoder. */
function encoderOf<T>(own: Own, steps: readonly Step<T>[], explain: boolean): Own {
  const late = steps.filter(({ stages }) => explain && stages.some(({ use }) => use === "late")).at(-1);
  const encoder = [own, ...steps.map((step) => step.own)].filter(({ model }) => model.kind === "lateInteraction").at(-1);
  const found = late?.own ?? encoder;
  if (!found) throw invalid(`${explain ? "explain" : "diversify"} is asked for, and a cross-encoder has no embeddings`, 'Give it a stage "late" or "dense" by a Reranker that has.');
  return found;
}
