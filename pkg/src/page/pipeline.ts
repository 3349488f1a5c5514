/**
 * Chains stages and models. What consecutive stages of one model do is one call to its worker; to the next model's worker cross the texts that are left, in the order
 * they have by then.
 */

import type { RerankAnswer, RerankRequest, Windows } from "../protocol.js";
import type { QueryEmbeddings, RerankOutput, StageResult } from "../ranking.js";
import type { CallProgress, Explanation } from "../types.js";
import { cachedCall, type Counts } from "./cached-call.js";
import { checkTotalLength, invalid, listOf, requireWithin, textsOf } from "./input.js";
import { linked } from "./linked.js";
import { notify } from "./notify.js";
import type { CheckedRerank } from "./options.js";
import { outputOf } from "./output.js";
import type { Own } from "./own.js";
import { checkRankedQuery } from "./query.js";
import { aloneOf, filledScores, givenScores, requestOf } from "./stages.js";
import { type Step, stepsOf } from "./steps.js";
import type { CallOptions } from "./worker-client.js";

/** A document on its way through the stages. */
export interface Candidate {
  /** In the caller's list. */
  index: number;
  text: string;
  score: number;
  stages: StageResult[];
  truncated: boolean;
  fused?: number;
  sameAs?: number;
  explanation?: Explanation;
}

/** What all steps have in common. */
interface Shared {
  query: string | Float32Array;
  /** The score that each document of the caller's list brought along, NaN for none, and as results tell it. */
  given: Float64Array | undefined;
  told: Float64Array | undefined;
  windows: Windows | undefined;
  profile: boolean;
  /** Whether vector caches may be read and filled. */
  vectorCache: boolean;
}

/** A step that was gone, and what it gave. */
export interface Gone<T> {
  step: Step<T>;
  answer: RerankAnswer;
  /** What a cache had, if one was asked. */
  counts?: Counts;
}

export async function rank<T>(own: Own, query: string | QueryEmbeddings, documents: readonly T[], options: CheckedRerank<T>): Promise<RerankOutput<T>> {
  const { text, profile = false, vectorCache = true, signal, onProgress, windows, stages = [aloneOf<T>(own.model)] } = options;
  const question = checkRankedQuery(query, stages, own);
  const kept = listOf(documents, own.limits);
  const texts = textsOf(kept, text, own.limits);
  checkTotalLength([textOf(question), ...texts], own.limits);
  const steps = stepsOf(own, stages, question, texts.length, options);
  if (windows && !steps.some(isEncoders)) throw invalid('longDocuments is "windows", and a cross-encoder cuts what it does not read');
  const given = givenScores(kept, stages);
  const shared = { query: question, given, told: given && filledScores(given), windows, profile, vectorCache };
  const candidates = texts.map((text, index) => ({ index, text, score: 0, stages: [], truncated: false }));
  const owners = [...new Set([own, ...steps.map((step) => step.own)])];
  for (const { client } of owners) client.requireOpen(signal);
  const warned = new Map(owners.map((owner) => [owner, owner.client.warnings.length]));
  // A model whose turn has not come ends the call too, where it ends.
  const { controller, unlink } = linked(signal, ...(owners.length > 1 ? owners.map(({ client }) => client.ended) : []));
  try {
    const { left, gone } = await follow(steps, shared, candidates, { signal: controller.signal, onProgress });
    return outputOf(own, kept, left, gone, warned);
  } finally {
    unlink();
  }
}

/** Embeddings have none. */
function textOf(query: string | Float32Array): string {
  return typeof query === "string" ? query : "";
}

/** Each step gets what the one before it left. */
async function follow<T>(steps: readonly Step<T>[], shared: Shared, candidates: Candidate[], { signal, onProgress }: CallOptions & { signal: AbortSignal }): Promise<{ left: Candidate[]; gone: Gone<T>[] }> {
  const listeners = listenersOf(steps, onProgress);
  const gone: Gone<T>[] = [];
  let left = candidates;
  for (const [place, step] of steps.entries()) {
    if (left.length === 0) break;
    requireWithin(textOf(shared.query), left, step.own.limits);
    const { answer, counts } = await answerTo(step, shared, left, { signal, onProgress: listeners[place] });
    // Stages that no model takes part in tell of nothing themselves.
    if (!signal.aborted) listeners[place]?.({ done: 1, total: 1 });
    signal.throwIfAborted();
    left = step.finishes ? finished(left, answer) : ranked(left, answer, step, shared);
    gone.push({ step, answer, ...(counts && { counts }) });
  }
  return { left, gone };
}

/** What a worker makes of those that are left. */
async function answerTo<T>(step: Step<T>, shared: Shared, left: readonly Candidate[], options: CallOptions): Promise<{ answer: RerankAnswer; counts?: Counts }> {
  const { client, cache } = step.own;
  const request = requestTo(step, shared, left);
  if (!cache || !shared.vectorCache || !wantsEmbeddingsAlone(step)) return { answer: await client.call("rerank", request, options) };
  const sought = left.map(({ index, text }, place) => ({ place, index, text }));
  return cachedCall(client, cache, request, sought, options);
}

/** Whether a step wants nothing of a document that a cache does not keep. */
function wantsEmbeddingsAlone<T>({ stages, ask }: Step<T>): boolean {
  const uses = new Set(stages.map(({ use }) => use));
  return !uses.has("dense") && !uses.has("crossEncoder") && ask.diversify === undefined && (uses.has("late") || ask.explain);
}

/** The listener of each step, to whom all of them are one; of the end, which ranks nothing, it hears nothing. */
function listenersOf<T>(steps: readonly Step<T>[], listener: CallOptions["onProgress"]): CallOptions["onProgress"][] {
  const total = steps.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  let heard = 0;
  const hear = (done: number) => {
    if (done <= heard) return;
    heard = done;
    notify(listener, { done, total });
  };
  return steps.map(({ size, finishes }) => {
    const start = before;
    before += size;
    if (finishes) return undefined;
    return listener && (({ done, total: all }: CallProgress) => hear(start + Math.floor((size * done) / all)));
  });
}

function requestTo<T>(step: Step<T>, { query, given, windows, profile }: Shared, left: readonly Candidate[]): RerankRequest {
  const { stages, ask, finishes } = step;
  const scoreOf = ({ index, score, fused = score }: Candidate) => (finishes ? fused : given![index]!);
  return {
    query,
    texts: left.map(({ text }) => text),
    stages: stages.map((stage) => requestOf(stage, left.length)),
    given: finishes || given ? Float64Array.from(left, scoreOf) : undefined,
    windows: isEncoders(step) ? windows : undefined,
    base: 0,
    profile,
    ...ask,
  };
}

function isEncoders<T>({ own }: Step<T>): boolean {
  return own.model.kind === "lateInteraction";
}

/** Those that are left of a step, in its order. */
function ranked<T>(left: readonly Candidate[], answer: RerankAnswer, { stages }: Step<T>, { told }: Shared): Candidate[] {
  const { indices, scores, ranks, fused, sameAs, truncated, explanations } = answer;
  return Array.from(indices, (at, row) => {
    const { index, text, ...before } = left[at]!;
    const results = stages.map(({ use }, place) => {
      const cell = row * stages.length + place;
      // As the caller has it, which may be finer.
      const score = use === "given" ? told![index]! : scores[cell]!;
      return { use, rank: ranks[cell]!, score };
    });
    const first = firstOf(left[sameAs[row]!]!);
    const explanation = explanations?.[row];
    return {
      index,
      text,
      score: results.at(-1)!.score,
      stages: [...before.stages, ...results],
      truncated: before.truncated || truncated[row] === 1,
      ...(fused && { fused: fused[row]! }),
      ...(first !== index && { sameAs: first }),
      ...(explanation && { explanation }),
    };
  });
}

/** Where a candidate's text came first. */
function firstOf({ sameAs, index }: Candidate): number {
  return sameAs ?? index;
}

/** In another order, perhaps, and explained. */
function finished(left: readonly Candidate[], { indices, explanations }: RerankAnswer): Candidate[] {
  return Array.from(indices, (at, row) => {
    const explanation = explanations?.[row];
    return { ...left[at]!, ...(explanation && { explanation }) };
  });
}
