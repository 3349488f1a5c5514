/** The calls of a Reranker: what was asked is checked, and goes to the worker. */

import type { QueryEmbeddings, RerankOutput } from "../ranking.js";
import type { EncodeOptions, Estimate, EstimateOptions, ExplainOptions, Explanation, ScoredExplanation, TokenEmbeddings } from "../types.js";
import type { GivenEmbeddings } from "../vectors.js";
import { estimate } from "./estimate.js";
import { explainPage } from "./explain-page.js";
import { joined, requireRoomForEmbeddings } from "./fit.js";
import { checkQuery, checkText, checkTotalLength, listOf, textsOf } from "./input.js";
import { invalid } from "./invalid.js";
import { type AnyBudget, checkEncode, checkEstimate, checkExplain, checkRerank } from "./options.js";
import type { Own } from "./own.js";
import { rank } from "./pipeline.js";

export { encodePages } from "./encode-pages.js";
export { estimatePages } from "./estimate-pages.js";
export { pagingOf } from "./paging.js";

export async function rerank<T>(own: Own, query: string | QueryEmbeddings, documents: readonly T[], options: AnyBudget<T>): Promise<RerankOutput<T, number | null>> {
  const { mode = "queue", ...checked } = checkRerank(options);
  const ranked = (signal: AbortSignal | undefined) => rank(own, query, documents, { ...checked, ...(signal && { signal }) });
  const output = await (mode === "queue" ? ranked(checked.signal) : own.latest.run(checked.signal, ranked));
  own.noteSpeed();
  return output;
}

export async function estimateOf<T>(own: Own, documents: readonly T[], options: EstimateOptions<T>): Promise<Estimate> {
  const { query, text, windows, signal } = checkEstimate(options);
  const texts = textsOf(listOf(documents, own.limits), text, own.limits);
  checkTotalLength(texts, own.limits);
  const asked = query === undefined ? undefined : checkQuery(query, own.limits);
  return estimate(own, texts, { query: asked, windows, signal });
}

export async function encodeQuery(own: Own, query: string, options: EncodeOptions): Promise<TokenEmbeddings> {
  const { client, limits } = encoderOf(own);
  const { pooling = "none", ...rest } = checkEncode(options);
  const texts = [checkQuery(query, limits)];
  return joined(await client.call("encode", { kind: "query", texts, pooling }, rest));
}

export async function encodeDocuments<T>(own: Own, documents: readonly T[], options: EncodeOptions<T>): Promise<TokenEmbeddings> {
  const { client, limits, model } = encoderOf(own);
  const { pooling = "none", tokenPooling, text, windows, ...rest } = checkEncode(options);
  const texts = textsOf(listOf(documents, limits), text, limits);
  checkTotalLength(texts, limits);
  if (texts.length === 0) {
    client.requireOpen(rest.signal);
    return { values: new Float32Array(), lengths: new Uint32Array(), dimension: model.dimension, truncated: new Uint8Array() };
  }
  requireRoomForEmbeddings(texts, pooling, model, windows);
  return joined(await client.call("encode", { kind: "document", texts, pooling, tokenPooling, windows }, rest));
}

export async function explain(own: Own, query: string, document: string | GivenEmbeddings, options: ExplainOptions): Promise<Explanation | ScoredExplanation> {
  const { client, limits } = encoderOf(own);
  if (typeof document === "object" && document !== null) return explainPage(own, query, document, options);
  const { signal, windows, codecs } = checkExplain(options);
  if (codecs) throw invalid("codecs is given, and document is a text");
  const request = { query: checkQuery(query, limits), document: checkText(document, "document", limits), windows };
  return client.call("explain", request, { signal });
}

/** Refuses what a cross-encoder cannot do. */
function encoderOf(own: Own): Own {
  if (own.model.kind === "crossEncoder") throw invalid("the model is a cross-encoder, which makes no embeddings", "Load a late-interaction model beside it.");
  return own;
}
