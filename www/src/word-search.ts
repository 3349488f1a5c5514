// Candidates by the words that question and text share (BM25): any model will do, and texts that came a moment ago, as nothing is made beforehand.
import type { Reranker } from "tabrank";
import type { FindOptions, Finder, Found } from "./finder.ts";
import type { Paragraph } from "./state.ts";

export class WordSearch implements Finder {
  constructor(private readonly paragraphs: () => Promise<readonly Paragraph[]>) {}

  /** BM25 is counted in the model's worker. */
  async needsModel(): Promise<boolean> {
    return true;
  }

  async find(question: string, { count, signal, onStep }: FindOptions, reranker?: Reranker): Promise<Found> {
    const paragraphs = await this.paragraphs();
    if (paragraphs.length === 0) return { candidates: [] };
    onStep("Counting words …");
    const { results } = await reranker!.rerank<Paragraph>(question, [...paragraphs], { stages: [{ use: "bm25" }], topK: count, vectorCache: false, signal });
    return { candidates: results.map(({ document, rank, score }) => ({ paragraph: document, rank, score })) };
  }
}
