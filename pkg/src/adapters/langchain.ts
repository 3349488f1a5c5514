/**
 * A document compressor of LangChain.js, for `ContextualCompressionRetriever`.
 *
 * It is a class of its own, which has what `BaseDocumentCompressor` asks for and does not extend it: that class has no code of its own, both LangChain's types and
 * its `isBaseDocumentCompressor` go by the method alone, and so no version of LangChain has to be imported here or handed in.
 */

import { held, rankAll, type RankerSource, type RankOptions } from "./shared/ranker.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** What is read of a LangChain document. */
export interface LangChainDocument {
  pageContent: string;
  metadata: Record<string, unknown>;
}

export interface CompressorOptions extends RankOptions<LangChainDocument> {
  reranker: RankerSource;
  /** Documents to give back; all by default. */
  topN?: number;
  /** Ends the call. */
  signal?: AbortSignal;
}

/**
 * Orders a retriever's documents, best first, and puts the relevance from 0 to 1 under `metadata.relevanceScore`, as LangChain's own rerankers do. The documents are
 * copies with the class of those that came; those are left as they are.
 *
 * @example
 * import { RerankerCompressor } from "tabrank/adapters/langchain";
 * const compressor = new RerankerCompressor({ reranker, topN: 5 });
 * const best = await compressor.compressDocuments([{ pageContent: text, metadata: {} }], query);
 */
export class RerankerCompressor {
  readonly #reranker: RankerSource;
  readonly #options: Omit<CompressorOptions, "reranker">;

  constructor({ reranker, ...options }: CompressorOptions) {
    this.#reranker = held(reranker);
    this.#options = options;
  }

  async compressDocuments<D extends LangChainDocument>(documents: readonly D[], query: string, _callbacks?: unknown): Promise<D[]> {
    const { topN, text = contentOf, ...options } = this.#options;
    const { ranked } = await rankAll<LangChainDocument>(this.#reranker, query, documents, { ...options, text, topK: topN });
    return ranked.map(({ index, relevance }) => withRelevance(documents[index]!, relevance));
  }
}

function contentOf({ pageContent }: LangChainDocument): string {
  return pageContent;
}

function withRelevance<D extends LangChainDocument>(document: D, relevanceScore: number): D {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(document)), document) as D;
  copy.metadata = { ...document.metadata, relevanceScore };
  return copy;
}
