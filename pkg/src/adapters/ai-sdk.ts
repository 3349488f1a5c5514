/** A reranking model of Vercel's AI SDK, whose `rerank` takes it: `RerankingModelV4` of its provider specification. */

import { RerankerError } from "../index.js";
import { held, rankAll, type RankedDocument, type RankerSource, type RankOptions } from "./shared/ranker.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** A document as the AI SDK hands it on: a text, or an object of JSON. */
export type RerankingDocument = string | Record<string, unknown>;

export interface RerankingModelOptions extends RankOptions<RerankingDocument> {
  /** The model's name in the answer and in telemetry; `"reranker"`. */
  modelId?: string;
  /** The text of a document. By default a string is its own, an object's is its `text`, or without one all strings in it, a line each. */
  text?: (document: RerankingDocument) => string | null | undefined;
}

/** What the AI SDK asks. */
export interface RerankingCall {
  documents: { type: "text"; values: string[] } | { type: "object"; values: Record<string, unknown>[] };
  query: string;
  topN?: number | undefined;
  abortSignal?: AbortSignal | undefined;
}

export interface RerankingAnswer {
  /** Best first. `relevanceScore` is from 0 to 1; see `relevanceOf`. */
  ranking: { index: number; relevanceScore: number }[];
  warnings: { type: "other"; message: string }[];
  response: { timestamp: Date; modelId: string };
}

export interface RerankingModel {
  readonly specificationVersion: "v4";
  readonly provider: "tabrank";
  readonly modelId: string;
  doRerank(call: RerankingCall): Promise<RerankingAnswer>;
}

/**
 * The model for `rerank({ model, query, documents })`. `abortSignal` ends a call at once. Errors are those of this package, and the AI SDK's `APICallError` too:
 * it tries those again that are `retryable`.
 *
 * @example
 * import { rerankingModel } from "tabrank/adapters/ai-sdk";
 * const model = rerankingModel(reranker);
 * const { ranking } = await model.doRerank({ query, documents: { type: "text", values: documents }, topN: 3 });
 */
export function rerankingModel(reranker: RankerSource, options: RerankingModelOptions = {}): RerankingModel {
  const { modelId = "reranker", text = textOf, ...rest } = options;
  const source = held(reranker);
  const doRerank = async ({ documents, query, topN, abortSignal }: RerankingCall): Promise<RerankingAnswer> => {
    const call = { ...rest, text, topK: topN, signal: abortSignal };
    const { ranked, warnings } = await rankAll<RerankingDocument>(source, query, documents.values, call).catch(throwMarked);
    return {
      ranking: ranked.map(asRanked),
      warnings: warnings.map(({ message }) => ({ type: "other", message })),
      response: { timestamp: new Date(), modelId },
    };
  };
  return { specificationVersion: "v4", provider: "tabrank", modelId, doRerank };
}

function asRanked({ index, relevance }: RankedDocument<unknown>) {
  return { index, relevanceScore: relevance };
}

function textOf(document: RerankingDocument): string {
  if (typeof document === "string") return document;
  return typeof document["text"] === "string" ? document["text"] : stringsIn(document).join("\n");
}

function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** By these the AI SDK tells its errors, whatever class made them. */
const MARKERS = { [Symbol.for("vercel.ai.error")]: true, [Symbol.for("vercel.ai.error.AI_APICallError")]: true };

function throwMarked(error: unknown): never {
  if (error instanceof RerankerError) Object.assign(error, MARKERS, { isRetryable: error.retryable, url: "", requestBodyValues: {} });
  throw error;
}
