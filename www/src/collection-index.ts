// Which paragraphs are candidates? A search of all token vectors, in an index that lies beside the page as files.
import { Index, type IndexParts, type Reranker } from "tabrank";
import { failure } from "./problem.ts";
import type { Candidate, Paragraph } from "./state.ts";

export interface Found {
  candidates: Candidate[];
  /** From the server. */
  fetched: IndexParts;
}

const WEIGHTS_HINT = "The index was made with the q8 weights: choose these, or the other first stage.";

/** Paragraphs that are scored by all of their vectors, at least, and for each one that is wanted. */
const LEAST_SCORED = 64;
const SCORED = 4;

export class CollectionIndex {
  #opened: { reranker: Reranker; index: Promise<Index> } | undefined;

  constructor(private readonly folder: URL) {}

  async search(question: string, paragraphs: readonly Paragraph[], reranker: Reranker, count: number, signal: AbortSignal): Promise<Found> {
    const index = await this.#open(reranker);
    const { results, fetched } = await index.search(question, { topK: count, nFullScores: Math.max(LEAST_SCORED, SCORED * count), signal });
    const known = new Map(paragraphs.map((paragraph) => [paragraph.id, paragraph]));
    const candidates = results.map(({ id, rank, score }) => {
      const paragraph = known.get(id);
      if (paragraph === undefined) throw failure("DATA_MISMATCH", "The index holds a paragraph that the text does not.");
      return { paragraph, rank, score };
    });
    return { candidates, fetched };
  }

  /** Once for a model; one that fails is tried again with the next question. */
  #open(reranker: Reranker): Promise<Index> {
    if (this.#opened?.reranker === reranker) return this.#opened.index;
    void this.#opened?.index.then((index) => index.dispose()).catch(() => {});
    const index = Index.open(this.folder, { reranker }).catch((error: unknown) => {
      this.#opened = undefined;
      throw (error as { code?: unknown }).code === "MODEL_MISMATCH" ? failure("MODEL_MISMATCH", (error as Error).message, WEIGHTS_HINT) : error;
    });
    this.#opened = { reranker, index };
    return index;
  }
}
