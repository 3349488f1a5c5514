/**
 * Chains stages and models. What consecutive stages of one model do is one call to its worker; to the next model's worker cross the texts that are left, in the order
 * they have by then.
 */

import type { PartialScores, RerankAnswer, RerankRequest, Windows } from "../protocol.js";
import type { PartialResult, QueryEmbeddings, RerankOutput, RerankResult } from "../ranking.js";
import type { CallProgress, TokenPooling, Warning } from "../types.js";
import { cachedCall, type Counts } from "./cached-call.js";
import { type Candidate, candidatesOf } from "./candidates.js";
import { checkTotalLength, listOf, requireWithin } from "./input.js";
import { invalid } from "./invalid.js";
import { inTime } from "./in-time.js";
import { linked } from "./linked.js";
import { reworded, withNames } from "./names.js";
import { notify } from "./notify.js";
import type { CheckedRerank } from "./options.js";
import { outputOf } from "./output.js";
import type { Own } from "./own.js";
import { checkRankedQuery } from "./query.js";
import { codecFiles } from "./codecs.js";
import { ScoreBoard } from "./score-board.js";
import { findCodecs, requireTexts, sourcesOf } from "./sources.js";
import { aloneOf, filledScores, givenScores, requestOf } from "./stages.js";
import { type Step, stepsOf } from "./steps.js";
import { buffersOf, groupsFor } from "./vector-groups.js";
import type { CallOptions } from "./worker-client.js";

/** What all steps have in common. */
interface Shared {
  query: string | Float32Array;
  /** The score that each document of the caller's list brought along, NaN for none, and as results tell it. */
  given: Float64Array | undefined;
  told: Float64Array | undefined;
  windows: Windows | undefined;
  tokenPooling: TokenPooling | undefined;
  profile: boolean;
  /** The era of each vector cache that may be read and filled, as it was when the call was made. */
  eras: ReadonlyMap<Own, number>;
  /** Whether buffers of embeddings are handed over. */
  transfer: boolean;
  /** Milliseconds since the epoch, when the call is to be answered. */
  until: number | undefined;
}

/** A step that was gone, and what it gave. */
export interface Gone<T> {
  step: Step<T>;
  answer: RerankAnswer;
  /** What a cache had, if one was asked. */
  counts?: Counts;
}

export async function rank<T>(own: Own, query: string | QueryEmbeddings, documents: readonly T[], options: CheckedRerank<T>): Promise<RerankOutput<T, number | null>> {
  const { budgetMs, onPartial } = options;
  const until = budgetMs === undefined ? undefined : Date.now() + budgetMs;
  const { profile = false, vectorCache = true, transfer = false, signal, onProgress, windows, tokenPooling, codecs = [], stages = [aloneOf<T>(own.model)] } = options;
  const question = checkRankedQuery(query, stages, own);
  const kept = listOf(documents, own.limits);
  const candidates = candidatesOf(kept, options, { sources: sourcesOf(own, stages), mayBeKnown: vectorCache && own.cache !== undefined, limits: own.limits });
  checkTotalLength([textOf(question), ...candidates.map(({ text = "" }) => text)], own.limits);
  const steps = stepsOf(own, stages, question, candidates.length, options);
  requireTexts(candidates, own, stages);
  const files = codecFiles(codecs);
  if (windows && !steps.some(isEncoders)) throw invalid('longDocuments is "windows", and a cross-encoder cuts what it does not read');
  if (tokenPooling && !steps.some(isEncoders)) throw invalid("tokenPooling is given, and a cross-encoder makes no embeddings");
  const given = givenScores(kept, stages);
  const owners = [...new Set([own, ...steps.map((step) => step.own)])];
  const shared = { query: question, given, told: given && filledScores(given), windows, tokenPooling, profile, eras: vectorCache ? erasOf(owners) : new Map<Own, number>(), transfer, until };
  for (const { client } of owners) client.requireOpen(signal);
  const releases = owners.map(({ client }) => client.hold());
  const warned = new Map(owners.map((owner) => [owner, owner.client.warnings.length]));
  // A model whose turn has not come ends the call too, where it ends.
  const { controller, unlink } = linked(signal, ...(owners.length > 1 ? owners.map(({ client }) => client.ended) : []));
  try {
    await findCodecs(candidates, files);
    controller.signal.throwIfAborted();
    const onScores = onPartial && ((board: ScoreBoard<T>) => notify(onPartial, board.results(kept)));
    const { left, gone, total, unscored } = await follow(steps, shared, candidates, { signal: controller.signal, onProgress, onScores });
    controller.signal.throwIfAborted();
    const output = outputOf(own, kept, left, gone, warned);
    if (unscored > 0) output.warnings.push(budgetEnded(unscored, budgetMs!));
    notify(onPartial, { results: output.results.map(partialResult), scored: total - unscored, total });
    controller.signal.throwIfAborted();
    return output;
  } finally {
    unlink();
    for (const release of releases) release();
  }
}

function budgetEnded(unscored: number, budgetMs: number): Warning {
  return { code: "BUDGET_ENDED", message: `${unscored} documents were not scored within budgetMs, ${budgetMs}; they follow in the order that they had` };
}

function partialResult<T>({ index, rank, score, normalizedScore, document, id }: RerankResult<T, number | null>): PartialResult<T> {
  return { index, rank, score, normalizedScore, document, ...(id !== undefined && { id }) };
}

function erasOf(owners: readonly Own[]): Map<Own, number> {
  return new Map(owners.flatMap((owner) => (owner.cache ? [[owner, owner.cache.store.era]] : [])));
}

/** Embeddings have none. */
function textOf(query: string | Float32Array): string {
  return typeof query === "string" ? query : "";
}

interface Listening<T> {
  signal: AbortSignal;
  onProgress: CallOptions["onProgress"];
  /** Hears of what the last stage has scored. */
  onScores: ((board: ScoreBoard<T>) => void) | undefined;
}

/** Where a ranking has come to. */
interface Followed<T> {
  left: Candidate[];
  gone: Gone<T>[];
  /** Documents that the last stage ranks, and those of them that there was no time for. */
  total: number;
  unscored: number;
}

/** Each step gets what the one before it left, as long as there is time. */
async function follow<T>(steps: readonly Step<T>[], shared: Shared, candidates: Candidate[], { signal, onProgress, onScores }: Listening<T>): Promise<Followed<T>> {
  const listeners = listenersOf(steps, onProgress);
  const scorer = steps.filter(({ finishes }) => !finishes).at(-1)!;
  const followed: Followed<T> = { left: candidates, gone: [], total: candidates.length, unscored: 0 };
  for (const [place, step] of steps.entries()) {
    const { left, gone } = followed;
    if (left.length === 0) break;
    if (place > 0 && isOver(shared)) return place > steps.indexOf(scorer) ? cut(followed, steps) : unscored(followed, steps);
    requireWithin(textOf(shared.query), left, step.own.limits);
    const isLast = !steps.slice(place + 1).some(({ own }) => own === step.own);
    const board = new ScoreBoard(step, left, shared.told);
    const told = step === scorer && (onScores || shared.until !== undefined) ? { onScores: (scores: PartialScores) => hear(board, scores, onScores) } : {};
    const options = { onProgress: listeners[place], ...told };
    const answered = (signal: AbortSignal) => answerTo(step, { ...shared, transfer: shared.transfer && isLast }, left, { ...options, signal });
    const { answer, counts } = await inTime(shared.until, board, signal, answered);
    // Stages that no model takes part in tell of nothing themselves.
    if (!signal.aborted && answer.unscored === 0) listeners[place]?.({ done: 1, total: 1 });
    signal.throwIfAborted();
    followed.left = step.finishes ? finished(left, answer) : ranked(left, answer, step, shared);
    step.own.rate.add(step.own.client.device, answer);
    gone.push({ step, answer, ...(counts && { counts }) });
    if (step === scorer) Object.assign(followed, { total: board.total, unscored: answer.unscored });
    if (answer.unscored > 0) return step === scorer ? cut(followed, steps) : unscored(followed, steps);
  }
  return followed;
}

function hear<T>(board: ScoreBoard<T>, scores: PartialScores, onScores: Listening<T>["onScores"]): void {
  board.hear(scores);
  onScores?.(board);
}

function isOver({ until = Infinity }: Shared): boolean {
  return Date.now() >= until;
}

/** The stages that were left had no time for any. */
function unscored<T>(followed: Followed<T>, steps: readonly Step<T>[]): Followed<T> {
  const left = followed.left.map((candidate) => ({ ...candidate, score: null }));
  return cut({ ...followed, left, total: left.length, unscored: left.length }, steps);
}

/** As many as the last step would have left. */
function cut<T>(followed: Followed<T>, steps: readonly Step<T>[]): Followed<T> {
  return { ...followed, left: followed.left.slice(0, steps.at(-1)!.ask.topK) };
}

/** What a worker makes of those that are left, in the caller's places. */
async function answerTo<T>(step: Step<T>, shared: Shared, left: readonly Candidate[], options: CallOptions): Promise<{ answer: RerankAnswer; counts?: Counts }> {
  const named = (message: string) => withNames(message, left);
  try {
    const { answer, ...rest } = await asked(step, shared, left, options);
    return { ...rest, answer: { ...answer, warnings: answer.warnings.map(({ code, message }) => ({ code, message: named(message) })) } };
  } catch (error) {
    throw reworded(error, named);
  }
}

async function asked<T>(step: Step<T>, shared: Shared, left: readonly Candidate[], options: CallOptions): Promise<{ answer: RerankAnswer; counts?: Counts }> {
  const { client, cache } = step.own;
  const request = requestTo(step, shared, left, options.onScores !== undefined);
  const transfer = shared.transfer && request.vectors ? buffersOf(request.vectors) : [];
  const era = shared.eras.get(step.own);
  if (!cache || era === undefined || !wantsEmbeddingsAlone(step)) return { answer: await client.call("rerank", request, { ...options, transfer }) };
  const sought = left.flatMap(({ index, id, text, brought }, place) => (brought?.owner === step.own ? [] : [{ place, index, id, text }]));
  return cachedCall(client, cache, request, sought, era, { ...options, transfer });
}

/** Whether a step wants nothing of a document that a cache does not keep. */
function wantsEmbeddingsAlone<T>({ stages, ask }: Step<T>): boolean {
  const uses = new Set(stages.map(({ use }) => use));
  return !uses.has("dense") && !uses.has("crossEncoder") && (uses.has("late") || ask.explain || ask.diversify !== undefined);
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

function requestTo<T>(step: Step<T>, { query, given, windows, tokenPooling, profile, until }: Shared, left: readonly Candidate[], partial: boolean): RerankRequest {
  const { own, stages, ask, finishes } = step;
  const scoreOf = ({ index, score, fused = score! }: Candidate) => (finishes ? fused : given![index]!);
  const vectors = groupsFor(own, left);
  return {
    query,
    texts: left.map(({ text = "" }) => text),
    ...(vectors.length > 0 && { vectors }),
    stages: stages.map((stage) => requestOf(stage, left.length)),
    given: finishes || given ? Float64Array.from(left, scoreOf) : undefined,
    windows: isEncoders(step) ? windows : undefined,
    tokenPooling: isEncoders(step) ? tokenPooling : undefined,
    base: 0,
    profile,
    until,
    partial,
    ...ask,
  };
}

function isEncoders<T>({ own }: Step<T>): boolean {
  return own.model.kind === "lateInteraction";
}

/** Those that are left of a step, in its order. */
function ranked<T>(left: readonly Candidate[], answer: RerankAnswer, { stages }: Step<T>, { told }: Shared): Candidate[] {
  const { indices, scored, scores, ranks, fused, sameAs, truncated, explanations } = answer;
  return Array.from(indices, (at, row) => {
    const { index, id, text, brought, ...before } = left[at]!;
    const results = stages.flatMap(({ use }, place) => {
      const cell = row * stages.length + place;
      // As the caller has it, which may be finer.
      const score = use === "given" ? told![index]! : scores[cell]!;
      return ranks[cell] === 0 ? [] : [{ use, rank: ranks[cell]!, score }];
    });
    const first = firstOf(left[sameAs[row]!]!);
    const explanation = explanations?.[row];
    return {
      index,
      id,
      text,
      brought,
      score: row < scored ? results.at(-1)!.score : null,
      stages: [...before.stages, ...results],
      truncated: before.truncated || truncated[row] === 1,
      ...(fused && row < scored && { fused: fused[row]! }),
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
