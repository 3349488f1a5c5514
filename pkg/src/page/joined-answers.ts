/** Makes one answer of those to the parts of a list. The order is the engine's own: by score, and of equal ones as the list has them. */

import type { Cost, EncodeAnswer, KeptVectors, RerankAnswer, RerankRequest } from "../protocol.js";
import type { EncoderTimings, Timings } from "../ranking.js";
import type { Explanation, Warning } from "../types.js";
import { type Answered, inList } from "./cut-call.js";
import { joinedArrays } from "./joined-arrays.js";

/** A row of a part's answer. */
interface Row {
  index: number;
  score: number;
  sameAs: number;
  truncated: number;
  isScored: boolean;
  explanation: Explanation | undefined;
}

/** Of a ranking in one stage. `total`: milliseconds that all of it took. */
export function joinedRanking({ topK, stages: [stage], explain }: RerankRequest, parts: readonly Answered<"rerank">[], total: number): RerankAnswer {
  const rows = parts.flatMap(rowsOf);
  const scored = rows.filter(({ isScored }) => isScored).sort((a, b) => b.score - a.score || a.index - b.index);
  const behind = rows.filter(({ isScored }) => !isScored).sort((a, b) => a.index - b.index);
  const best = [...scored, ...behind].slice(0, Math.min(topK, stage?.keep ?? topK));
  const ranked = Math.min(scored.length, best.length);
  const answers = parts.map(({ answer }) => answer);
  const [{ bound }] = answers as [RerankAnswer];
  const kept = joinedVectors(parts);
  return {
    indices: Uint32Array.from(best, ({ index }) => index),
    scores: Float32Array.from(best, ({ score }) => score),
    ranks: Uint32Array.from(best, (_, place) => (place < ranked ? place + 1 : 0)),
    scored: ranked,
    unscored: answers.reduce((sum, { unscored }) => sum + unscored, 0),
    sameAs: Uint32Array.from(best, ({ sameAs }) => sameAs),
    ...(bound !== undefined && { bound }),
    queryTruncated: answers.some(({ queryTruncated }) => queryTruncated),
    truncated: Uint8Array.from(best, ({ truncated }) => truncated),
    ...(explain && { explanations: explanationsOf(best.slice(0, ranked)) }),
    ...(kept && { kept }),
    warnings: joinedWarnings(parts),
    timings: joinedTimings(parts, total),
    cost: joinedCost(parts),
  };
}

/** Of texts that follow one another. */
export function joinedEmbeddings(parts: readonly Answered<"encode">[]): EncodeAnswer {
  const answers = parts.map(({ answer }) => answer);
  return {
    parts: answers.flatMap(({ parts }) => parts),
    lengths: Uint32Array.from(answers.flatMap(({ lengths }) => [...lengths])),
    dimension: answers[0]!.dimension,
    truncated: Uint8Array.from(answers.flatMap(({ truncated }) => [...truncated])),
  };
}

function rowsOf({ places, answer }: Answered<"rerank">): Row[] {
  const { indices, scores, sameAs, truncated, explanations, scored } = answer;
  return Array.from(indices, (at, row) => ({ index: places[at]!, score: scores[row]!, sameAs: places[sameAs[row]!]!, truncated: truncated[row]!, isScored: row < scored, explanation: explanations?.[row] }));
}

/** None where there was no time for all of them. */
function explanationsOf(rows: readonly Row[]): Explanation[] {
  const explanations = rows.flatMap(({ explanation }) => explanation ?? []);
  return explanations.length === rows.length ? explanations : [];
}

export function joinedCost(parts: readonly Answered<"rerank">[]): Cost {
  const sum = (of: (cost: Cost) => number) => parts.reduce((sum, { answer }) => sum + of(answer.cost), 0);
  return { tokens: sum(({ tokens }) => tokens), pairs: sum(({ pairs }) => pairs) };
}

export function joinedWarnings(parts: readonly Answered<"rerank">[]): Warning[] {
  return parts.flatMap(({ answer, places }) => answer.warnings.map(({ code, message }) => ({ code, message: inList(message, places) })));
}

export function joinedVectors(parts: readonly Answered<"rerank">[]): KeptVectors | undefined {
  const kept = parts.flatMap(({ answer: { kept }, places }) => (kept ? [{ ...kept, places: kept.places.map((place) => places[place]!) }] : []));
  const [first] = kept;
  if (!first) return undefined;
  const scales = kept.flatMap(({ scales }) => scales ?? []);
  return {
    codec: first.codec,
    dimension: first.dimension,
    lengths: joinedArrays(Uint32Array, kept.map(({ lengths }) => lengths)),
    places: joinedArrays(Uint32Array, kept.map(({ places }) => places)),
    codes: joinedArrays(Uint8Array, kept.map(({ codes }) => codes)),
    ...(first.scales && { scales: joinedArrays(Float32Array, scales) }),
    truncated: joinedArrays(Uint8Array, kept.map(({ truncated }) => truncated)),
  };
}

const PARTS = ["tokenize", "encode", "score", "explain"] as const;

/** Those of the worker that was at work for longest: what the others did meanwhile took no time of its own. */
export function joinedTimings(parts: readonly Answered<"rerank">[], total: number): Timings {
  const clients = [...new Set(parts.map(({ client }) => client))];
  const timings = clients.map((client) => sumOf(parts.filter((part) => part.client === client).map(({ answer }) => answer.timings)));
  const longest = timings.reduce((longest, one) => (one.total > longest.total ? one : longest));
  return { ...longest, total };
}

/** Of calls that one worker answered in turn. */
export function sumOf(timings: readonly Timings[]): Timings {
  const sum = (of: (timings: Timings) => number) => timings.reduce((sum, one) => sum + of(one), 0);
  const [tokenize, encode, score, explain] = PARTS.map((part) => sum((one) => one[part])) as [number, number, number, number];
  const encoders = timings.flatMap(({ encoder }) => encoder ?? []);
  const names = Object.keys(encoders[0] ?? {}) as (keyof EncoderTimings)[];
  const encoder = Object.fromEntries(names.map((name) => [name, encoders.reduce((sum, one) => sum + one[name], 0)])) as unknown as EncoderTimings;
  const stages = (timings[0]?.stages ?? []).map((_, place) => sum((one) => one.stages[place]!));
  return { tokenize, encode, score, explain, total: sum((one) => one.total), stages, ...(encoders.length > 0 && { encoder }) };
}
