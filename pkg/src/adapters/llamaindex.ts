/** A node post-processor of LlamaIndex.TS, for a query engine's `nodePostprocessors`. */

import { RerankerError } from "../index.js";
import { held, rankAll, type RankerSource, type RankOptions } from "./shared/ranker.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** What is read of a node. */
export interface ScoredNode {
  node: { getContent(mode: never): string };
  score?: number | undefined;
}

/** A query, or its parts where it has images: the texts of them count. */
export type QueryContent = string | readonly { type: string; text?: unknown }[];

export interface PostprocessorOptions extends RankOptions<ScoredNode> {
  reranker: RankerSource;
  /** Nodes to give back; all by default. */
  topN?: number;
  /** Which of a node's metadata stand before its text, in LlamaIndex's words; `"EMBED"`, those that its embedding is made with. */
  metadataMode?: "ALL" | "EMBED" | "LLM" | "NONE";
  /** Ends the call. */
  signal?: AbortSignal;
}

/**
 * Orders nodes, best first; `score` of each is its relevance from 0 to 1. The nodes are those that came; their scores are in records of their own.
 *
 * @example
 * import { RerankerPostprocessor } from "tabrank/adapters/llamaindex";
 * const postprocessor = new RerankerPostprocessor({ reranker, topN: 5 });
 */
export class RerankerPostprocessor {
  readonly #reranker: RankerSource;
  readonly #options: Omit<PostprocessorOptions, "reranker">;

  constructor({ reranker, ...options }: PostprocessorOptions) {
    this.#reranker = held(reranker);
    this.#options = options;
  }

  async postprocessNodes<N extends ScoredNode>(nodes: readonly N[], query?: QueryContent): Promise<N[]> {
    const { topN, metadataMode = "EMBED", text, ...options } = this.#options;
    const contentOf = ({ node }: ScoredNode) => node.getContent(metadataMode as never);
    const call = { ...options, text: text ?? contentOf, topK: topN };
    const { ranked } = await rankAll<ScoredNode>(this.#reranker, textOf(query), nodes, call);
    return ranked.map(({ index, relevance }) => ({ ...nodes[index]!, score: relevance }));
  }
}

function textOf(query: QueryContent | undefined): string {
  if (query === undefined) throw new RerankerError({ code: "INVALID_INPUT", message: "postprocessNodes was called without a query, by which nodes are ranked" });
  if (typeof query === "string") return query;
  return query.flatMap(({ type, text }) => (type === "text" && typeof text === "string" ? [text] : [])).join("\n\n");
}
