/**
 * A ranking in several stages, of which a model's are read by several workers: what the stages before leave is cut, the parts are scored by all of the model's stages
 * in one pass each, and one worker ranks the whole list by these scores, as it would by its own. What comes out is explained in parts again.
 */

import type { RerankAnswer, RerankRequest, StageRequest } from "../protocol.js";
import type { Timings } from "../ranking.js";
import type { Explanation } from "../types.js";
import type { Answered } from "./cut-call.js";
import { joinedCost, joinedTimings, joinedVectors, joinedWarnings, sumOf } from "./joined-answers.js";

/** Who is asked. */
export interface Asked {
  /** One worker; `isAll` if for all that the call wants. */
  whole(request: RerankRequest, isAll: boolean): Promise<RerankAnswer>;
  /** Several, for the documents at some places; undefined where these are too few. `order`: of the same places, where it is another. */
  parts(request: RerankRequest, places: readonly number[], order: Uint32Array | undefined): Promise<Answered<"rerank">[] | undefined>;
  /** Whoever has time, for an explanation of each of the documents at some places. */
  explained(request: RerankRequest, places: readonly number[]): Promise<RerankAnswer>;
}

const READERS = new Set(["dense", "late", "crossEncoder"]);

/** Whether a stage reads document by document. */
export function isReader({ use }: StageRequest): boolean {
  return READERS.has(use);
}

export async function stagedRanking(request: RerankRequest, asked: Asked): Promise<RerankAnswer> {
  const begin = performance.now();
  const before = await rankedBefore(request, asked);
  const parts = before?.unscored ? undefined : await partsOf(request, before, asked);
  if (!parts) return asked.whole(request, true);
  const partial = request.partial && !tellsLast(request);
  const ranked = await asked.whole({ ...request, stages: withScores(request, parts), vectors: undefined, keep: undefined, explain: false, partial, until: undefined }, false);
  const explained = request.explain && ranked.indices.length > 0 ? await asked.explained(request, [...ranked.indices]) : undefined;
  return joined(request, { before, parts, ranked, explained }, performance.now() - begin);
}

/** What a call asks for that only ranks. */
const PLAIN = { explain: false, minScore: undefined, fuse: undefined } as const;

/** What the model makes of the documents that are left to it; undefined where these are few. */
async function partsOf(request: RerankRequest, before: RerankAnswer | undefined, asked: Asked): Promise<Answered<"rerank">[] | undefined> {
  const left = before ? [...before.indices].sort((a, b) => a - b) : [...request.texts.keys()];
  if (left.length === 0) return undefined;
  const partial = request.partial && tellsLast(request);
  const stages = request.stages.filter(isReader).map(withoutKeep);
  return asked.parts({ ...request, ...PLAIN, stages, topK: left.length, partial }, left, before?.indices);
}

/** Whether scores of the parts are those of the last stage, of all that it ranks. */
function tellsLast({ stages }: RerankRequest): boolean {
  return stages.findIndex(isReader) === stages.length - 1;
}

function withoutKeep({ keep: _, ...stage }: StageRequest): StageRequest {
  return stage as StageRequest;
}

/** What stages in front of the model's leave, if they leave something out. */
async function rankedBefore({ stages, ...request }: RerankRequest, { whole }: Asked): Promise<RerankAnswer | undefined> {
  const front = stages.slice(0, stages.findIndex(isReader));
  if (!front.some(({ keep }) => keep !== undefined && keep < request.texts.length)) return undefined;
  return whole({ ...request, ...PLAIN, stages: front, vectors: undefined, keep: undefined, topK: request.texts.length, partial: false }, false);
}

/** The stages, with the scores that the parts have in place of the model's own. */
function withScores({ stages, texts }: RerankRequest, parts: readonly Answered<"rerank">[]): StageRequest[] {
  const count = stages.filter(isReader).length;
  let column = 0;
  return stages.map((stage) => {
    if (!isReader(stage)) return stage;
    const scores = new Array<number>(texts.length).fill(Number.NaN);
    const at = column++;
    for (const { places, answer } of parts) answer.indices.forEach((index, row) => (scores[places[index]!] = answer.scores[row * count + at]!));
    return { use: "scored", scores, ...(stage.keep !== undefined && { keep: stage.keep }) };
  });
}

interface Answers {
  before: RerankAnswer | undefined;
  parts: readonly Answered<"rerank">[];
  ranked: RerankAnswer;
  explained: RerankAnswer | undefined;
}

function joined(request: RerankRequest, { before, parts, ranked, explained }: Answers, total: number): RerankAnswer {
  const told = toldOf(parts);
  const isLastRead = isReader(request.stages.at(-1)!);
  const bound = isLastRead ? parts[0]!.answer.bound : ranked.bound;
  const kept = joinedVectors(parts) ?? explained?.kept;
  const { bound: _, ...rest } = ranked;
  return {
    ...rest,
    ...(bound !== undefined && { bound }),
    sameAs: ranked.indices.map((place) => told.get(place)!.sameAs),
    truncated: Uint8Array.from(ranked.indices, (place) => told.get(place)!.truncated),
    queryTruncated: parts.some(({ answer }) => answer.queryTruncated),
    ...(request.explain && { explanations: inOrder(explained) }),
    ...(kept && { kept }),
    warnings: joinedWarnings(parts),
    timings: timingsOf(request, { before, parts, ranked, explained }, total),
    cost: joinedCost(parts),
  };
}

/** Explanations come in the order of MaxSim. */
function inOrder(explained: RerankAnswer | undefined): Explanation[] {
  if (!explained) return [];
  const explanations: Explanation[] = [];
  explained.indices.forEach((place, row) => (explanations[place] = explained.explanations![row]!));
  return explanations;
}

/** What the parts tell of each document, by its place. */
function toldOf(parts: readonly Answered<"rerank">[]): Map<number, { sameAs: number; truncated: number }> {
  const rows = parts.flatMap(({ places, answer }) => Array.from(answer.indices, (index, row) => [places[index]!, { sameAs: places[answer.sameAs[row]!]!, truncated: answer.truncated[row]! }] as const));
  return new Map(rows);
}

/** A stage's time is that of whoever did it. */
function timingsOf({ stages }: RerankRequest, { before, parts, ranked, explained }: Answers, total: number): Timings {
  const read = joinedTimings(parts, total);
  const all = [read, ranked.timings, ...(before ? [before.timings] : []), ...(explained ? [explained.timings] : [])];
  let column = 0;
  const times = stages.map((stage, place) => (isReader(stage) ? read.stages[column++]! : (before?.timings.stages[place] ?? 0) + ranked.timings.stages[place]!));
  return { ...sumOf(all), stages: times, total };
}
