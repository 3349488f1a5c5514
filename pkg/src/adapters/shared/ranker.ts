/** What adapters have in common: a list is ranked, and each document gets a relevance. */

import { type ModelInfo, type Reranker, RerankerError, type RerankOptions, type RerankResult, type Stage, type Warning } from "../../index.js";
import { relevanceOf } from "../relevance.js";

/** What ranks: a `Reranker`, or anything that has its `rerank` and `model`. */
export type Ranker = Pick<Reranker, "model" | "rerank">;

/** A ranker, or the promise of one, as `Reranker.load` gives it: calls wait for it. */
export type RankerSource = Ranker | PromiseLike<Ranker>;

/** A load that fails before a call waits for it is told by the calls, and is no unhandled rejection meanwhile. */
export function held(source: RankerSource): RankerSource {
  if ("then" in source) source.then(undefined, () => {});
  return source;
}

/** Options of `rerank` that an adapter hands on: stages, fusion, windows and the rest. */
export interface RankOptions<T> extends Omit<RerankOptions<T>, "topK" | "signal" | "mode" | "transfer"> {}

export interface RankedDocument<T> {
  /** Place in the list that was given, from 0. */
  index: number;
  document: T;
  /** From 0 to 1. */
  relevance: number;
}

export interface Ranking<T> {
  /** Best first. Documents without a text are last, in the order they came in, with the relevance 0, unless embeddings come along. */
  ranked: RankedDocument<T>[];
  warnings: Warning[];
}

interface Call<T> extends RankOptions<T> {
  topK?: number | undefined;
  signal?: AbortSignal | undefined;
}

export async function rankAll<T>(source: RankerSource, query: string, documents: readonly T[], call: Call<T>): Promise<Ranking<T>> {
  const { results, blank, warnings, model } = await rankedResults(source, query, documents, call);
  const ranked = results.map((result) => {
    const { index, document } = result;
    return { index, document, relevance: blank.has(document) ? 0 : relevanceOf(result, model) };
  });
  return { ranked, warnings };
}

interface Ranked<T> {
  /** As `rerank` gives them, save that documents without a text are last. */
  results: RerankResult<T>[];
  blank: ReadonlySet<T>;
  warnings: Warning[];
  /** The one that ranked last. */
  model: ModelInfo;
}

export async function rankedResults<T>(source: RankerSource, query: string, documents: readonly T[], call: Call<T>): Promise<Ranked<T>> {
  const { topK, signal, text = ownText, ...options } = call;
  signal?.throwIfAborted();
  requireTopK(topK);
  const ranker = await unlessAborted(source, signal);
  const blank = new Set<T>();
  const read = (document: T) => {
    const found = text(document);
    if (isBlank(found) && !options.embeddings) blank.add(document);
    return options.embeddings ? found : (found ?? "");
  };
  const model = lastModel(ranker, options.stages);
  if (documents.length === 0) return { results: [], blank, warnings: [], model };
  const { results, warnings } = await ranker.rerank(query, documents, { ...options, text: read, ...(signal && { signal }) });
  return { results: behind(results, blank).slice(0, topK), blank, warnings, model };
}

/** As the package has it by default. What is no text is its to refuse. */
function ownText(document: unknown): string {
  return (typeof document === "object" && document !== null ? (document as { text?: unknown }).text : document) as string;
}

export function isBlank(text: unknown): boolean {
  return text === undefined || text === null || (typeof text === "string" && text.trim() === "");
}

/** What nothing is known of comes last: a model scores an empty text by the tokens that it puts around one, which may be anything. */
function behind<T>(results: RerankResult<T>[], blank: ReadonlySet<T>): RerankResult<T>[] {
  if (blank.size === 0) return results;
  const last = results.filter(({ document }) => blank.has(document)).sort((a, b) => a.index - b.index);
  return [...results.filter(({ document }) => !blank.has(document)), ...last].map((result, place) => ({ ...result, rank: place + 1 }));
}

function lastModel(ranker: Ranker, stages: readonly Stage<never>[] | undefined): ModelInfo {
  const last = stages?.at(-1);
  return (last && "model" in last && last.model ? last.model : ranker).model;
}

function requireTopK(topK: number | undefined): void {
  if (topK === undefined || (Number.isSafeInteger(topK) && topK > 0)) return;
  throw new RerankerError({ code: "INVALID_INPUT", message: `the number of results is ${Number(topK)}; expected a positive integer` });
}

/** A promise's answer, unless the signal comes first. */
export async function unlessAborted<A>(promise: A | PromiseLike<A>, signal: AbortSignal | undefined): Promise<A> {
  if (!signal) return promise;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
