/** What a caller gets of a ranking. */

import type { RerankOutput, RerankResult, Timings } from "../ranking.js";
import type { ModelInfo, Warning } from "../types.js";
import type { Candidate } from "./candidates.js";
import type { Own } from "./own.js";
import { onPage } from "./patches.js";
import type { Gone } from "./pipeline.js";
import type { Step } from "./steps.js";

/** `left`: best first. `warned`: how many warnings each model had before. */
export function outputOf<T>(own: Own, documents: readonly T[], left: readonly Candidate[], gone: readonly Gone<T>[], warned: ReadonlyMap<Own, number>): RerankOutput<T, number | null> {
  const cut = gone.filter(({ answer }) => answer.queryTruncated).map(({ step }) => step.own);
  const arisen = [...warned].flatMap(([{ client }, before]) => client.warnings.slice(before));
  return {
    results: resultsOf(left, documents, gone),
    timings: timingsOf(gone),
    warnings: [...arisen, ...warningsOf(gone), ...[...new Set(cut)].map(({ model }) => queryWasCut(model))],
    device: own.client.device,
    queryTruncated: cut.length > 0,
  };
}

/** Of what came in; what crossed to two steps is told once. */
function warningsOf<T>(gone: readonly Gone<T>[]): Warning[] {
  const all = gone.flatMap(({ answer }) => answer.warnings);
  return all.filter(({ message }, place) => all.findIndex((other) => other.message === message) === place);
}

function resultsOf<T>(left: readonly Candidate[], documents: readonly T[], gone: readonly Gone<T>[]): RerankResult<T, number | null>[] {
  const last = gone.filter(({ step }) => !step.finishes).at(-1);
  return left.map(({ text: _, brought, id, explanation, ...candidate }, place) => ({
    ...candidate,
    ...(explanation && { explanation: onPage(explanation, brought?.rows.patches) }),
    ...(id !== undefined && { id }),
    rank: place + 1,
    normalizedScore: last ? normalizedScore(candidate.score, last.step, last.answer.bound) : candidate.score,
    document: documents[candidate.index]!,
  }));
}

/** Of unit vectors each query token adds at most 1: what rounding adds beyond is taken off. */
export function normalizedScore<T>(score: number | null, step: Step<T>, bound: number | undefined): number | null {
  if (score === null || bound === undefined) return score;
  const share = bound === 0 ? 0 : score / bound;
  return step.stages.at(-1)!.use === "late" && !step.own.model.normalized ? share : Math.min(Math.max(share, -1), 1);
}

/** Of one call and no other, so that `Reranker.warnings` do not keep it. */
function queryWasCut({ queryLength }: ModelInfo): Warning {
  return { code: "QUERY_TRUNCATED", message: `the query is longer than the ${queryLength} tokens that the model reads; the rest of it played no part` };
}

const PARTS = ["tokenize", "encode", "score", "explain", "total"] as const;

const ENCODER_PARTS = ["products", "attention", "norms", "quantize"] as const;

/** The sums over all calls to workers. */
function timingsOf<T>(gone: readonly Gone<T>[]): Timings {
  const all = gone.map(({ answer }) => answer.timings);
  const encoders = all.flatMap(({ encoder }) => (encoder ? [encoder] : []));
  const stages = gone.flatMap(({ step, answer }) => (step.finishes ? [] : answer.timings.stages));
  return { ...sumOf(PARTS, all), stages, ...cacheCounts(gone), ...(encoders.length > 0 && { encoder: sumOf(ENCODER_PARTS, encoders) }) };
}

/** Over those calls that asked a cache. */
function cacheCounts<T>(gone: readonly Gone<T>[]): Pick<Timings, "cacheHits" | "cacheMisses"> {
  const counts = gone.flatMap(({ counts }) => (counts ? [counts] : []));
  if (counts.length === 0) return {};
  const { hits, misses } = sumOf(["hits", "misses"], counts);
  return { cacheHits: hits, cacheMisses: misses };
}

function sumOf<K extends string>(names: readonly K[], timings: readonly Record<K, number>[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, timings.reduce((sum, one) => sum + one[name], 0)])) as Record<K, number>;
}
