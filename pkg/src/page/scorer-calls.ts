/** The calls of a Scorer: what was given is read, and goes to the worker. */

import type { Embeddings, Limits, MatchOptions, Scorable, ScoredExplanation, ScorerOptions, SimilarityOptions, Simd } from "../types.js";
import type { GivenEmbeddings } from "../vectors.js";
import { codecFiles } from "./codecs.js";
import { copyOfEmbeddings, copyOfOne, requireAllFinite } from "./embeddings.js";
import { checkLimits } from "./input.js";
import { invalid } from "./invalid.js";
import { matchesOf } from "./matches.js";
import { openClient } from "./open-client.js";
import { checkScorer, checkSimilarity } from "./options.js";
import { engineFor } from "./places.js";
import { rowsOf, type Scored, scoredOf } from "./scored.js";
import * as calls from "./scorer-calls.js";
import { findCodecsOf } from "./sources.js";
import { groupsOf } from "./vector-groups.js";
import type { WorkerClient } from "./worker-client.js";

/** What a Scorer works with. */
export interface OwnScorer {
  calls: typeof import("./scorer-calls.js");
  client: WorkerClient;
  limits: Limits;
}

export async function openScorer(options: ScorerOptions): Promise<{ own: OwnScorer; simd: Simd }> {
  const checked = checkScorer(options);
  checked.signal?.throwIfAborted();
  const limits = checkLimits(checked.limits);
  const load = { ...engineFor("cpu", checked), checkpoint: undefined, device: "cpu", convert: undefined, resume: false } as const;
  const { client, answer } = await openClient(load, limits, checked);
  return { own: { calls, client, limits }, simd: answer.simd };
}

export async function score(own: OwnScorer, query: Float32Array, documents: Scorable, options: Pick<SimilarityOptions, "signal" | "codecs">): Promise<Float32Array> {
  const { signal, codecs } = checkSimilarity(options);
  const scored = scoredOf(documents, own.limits);
  return scoresOf(own, copyOfOne(query, "query", scored.dimension), scored, { mean: false, codecs, signal });
}

export async function similarity(own: OwnScorer, queries: Embeddings, documents: Scorable, options: SimilarityOptions): Promise<Float32Array> {
  const { measure = "maxsim", signal, codecs } = checkSimilarity(options);
  const scored = scoredOf(documents, own.limits);
  const asked = copyOfEmbeddings(queries, "queries", own.limits);
  requireAllFinite(asked.values, "queries.values");
  if (asked.dimension !== scored.dimension) throw invalid(`queries.dimension is ${asked.dimension}, and documents.dimension is ${scored.dimension}`);
  return scoresOf(own, asked, scored, { mean: measure === "meanmaxsim", codecs, signal });
}

export async function explainRows({ client, limits }: OwnScorer, query: Float32Array, document: GivenEmbeddings, options: MatchOptions): Promise<ScoredExplanation> {
  const { signal, codecs = [] } = checkSimilarity(options);
  const rows = rowsOf(document, limits);
  const { values } = copyOfOne(query, "query", rows.dimension);
  const files = codecFiles(codecs);
  client.requireOpen(signal);
  await findCodecsOf(client, [{ rows, name: "document" }], files, undefined);
  const answer = await client.call("matches", { query: values, document: groupsOf([{ rows, place: 0, index: 0 }]) }, { signal });
  return matchesOf(answer, rows);
}

interface Asked {
  mean: boolean;
  codecs: SimilarityOptions["codecs"];
  signal: AbortSignal | undefined;
}

async function scoresOf({ client }: OwnScorer, queries: Embeddings, scored: Scored, { mean, codecs = [], signal }: Asked): Promise<Float32Array> {
  const files = codecFiles(codecs);
  client.requireOpen(signal);
  await findCodecsOf(client, scored.rows, files, undefined);
  return client.call("similarity", { queries, documents: scored.groups(), count: scored.count, mean }, { signal });
}
