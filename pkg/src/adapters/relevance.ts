/**
 * How relevant is a document, from 0 to 1? Frameworks and rerank services want that of every score.
 *
 * | the last stage | relevance |
 * | --- | --- |
 * | `late`, `dense` | (`normalizedScore` + 1) / 2, as similarities of unit vectors lie in [-1, 1]; the sigmoid of it where `model.normalized` is false |
 * | `crossEncoder` | the sigmoid of the model's logit: `score` itself where `model.activation` is `Sigmoid`, (`score` + 1) / 2 of `Tanh`, the sigmoid of `score` else |
 * | `bm25` | `normalizedScore`, which lies in [0, 1] |
 * | `given` | the sigmoid of the score, whose range only the backend knows |
 *
 * It orders documents as the score does and says nothing more: of late interaction 0.9 is a usual one, and of two models it cannot be compared.
 */

import type { ModelInfo, RerankResult } from "../index.js";

/** What is read of a result of `rerank`. */
export type ScoredResult = Pick<RerankResult<unknown>, "score" | "normalizedScore"> & { readonly stages?: RerankResult<unknown>["stages"] };

/** What is read of the model that ranked last, `reranker.model` unless `stages` name another. */
export type ScoringModel = Pick<ModelInfo, "kind" | "normalized" | "activation">;

/**
 * The relevance of a result, in [0, 1].
 *
 * @example
 * import { relevanceOf } from "tabrank/adapters/relevance";
 * const { results } = await reranker.rerank(query, documents);
 * for (const result of results) show(result.document, relevanceOf(result, reranker.model));
 */
export function relevanceOf(result: ScoredResult, model: ScoringModel): number {
  const use = result.stages?.at(-1)?.use ?? (model.kind === "crossEncoder" ? "crossEncoder" : "late");
  // Sums of rounded numbers may be a hair beyond their bounds.
  return Math.min(1, Math.max(0, BY_STAGE[use](result, model)));
}

const BY_STAGE = {
  late: ofSimilarity,
  dense: ofSimilarity,
  crossEncoder: ofActivation,
  bm25: ({ normalizedScore }: ScoredResult) => normalizedScore,
  given: ({ score }: ScoredResult) => sigmoid(score),
};

function ofSimilarity({ normalizedScore }: ScoredResult, { normalized }: ScoringModel): number {
  return normalized ? (normalizedScore + 1) / 2 : sigmoid(normalizedScore);
}

/** (tanh(x) + 1) / 2 is the sigmoid of 2x. */
function ofActivation({ score }: ScoredResult, { activation }: ScoringModel): number {
  if (activation === "Sigmoid") return score;
  return activation === "Tanh" ? (score + 1) / 2 : sigmoid(score);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
