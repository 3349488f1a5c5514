// Candidates by a search of all token vectors, in an index that lies beside the page as files.
import { Index, type IndexProgress, type Reranker, type SearchProgress } from "tabrank";
import type { FindOptions, Finder, Found } from "./finder.ts";
import type { Corpus } from "./first-stage.ts";
import { megabytesOf } from "./format.ts";
import { failure } from "./problem.ts";

const WEIGHTS_HINT = "The index was made with the q8 weights of the page's own model: choose these, or another first stage.";

/** Paragraphs that are scored by all of their vectors, at least, and for each one that is wanted. */
const LEAST_SCORED = 64;
const SCORED = 4;

export class CollectionIndex implements Finder {
  #opened: { reranker: Reranker; index: Promise<Index> } | undefined;

  constructor(
    private readonly folder: URL,
    private readonly corpus: Promise<Corpus>,
  ) {}

  async needsModel(): Promise<boolean> {
    return true;
  }

  async find(question: string, { count, signal, onStep }: FindOptions, reranker?: Reranker): Promise<Found> {
    const { paragraphs } = await this.corpus;
    const index = await this.#open(reranker!, ({ loaded, total }) => onStep(`Opening the index: its codec, ${megabytesOf(loaded, total)} …`));
    onStep("Reading the parts of the index that the question leads to: dozens of small files, fewer to fetch each time …");
    const onProgress = ({ done, total }: SearchProgress) => onStep(`Reading the parts of the index that the question leads to: ${done} of ${total} …`);
    const { results, fetched } = await index.search(question, { topK: count, nFullScores: Math.max(LEAST_SCORED, SCORED * count), onProgress, signal });
    const known = new Map(paragraphs.map((paragraph) => [paragraph.id, paragraph]));
    const candidates = results.map(({ id, rank, score }) => {
      const paragraph = known.get(id);
      if (paragraph === undefined) throw failure("DATA_MISMATCH", "The index holds a paragraph that the text does not.");
      return { paragraph, rank, score };
    });
    return { candidates, fetched };
  }

  /** Once for a model; one that fails is tried again with the next question. */
  #open(reranker: Reranker, onProgress: (progress: IndexProgress) => void): Promise<Index> {
    if (this.#opened?.reranker === reranker) return this.#opened.index;
    void this.#opened?.index.then((index) => index.dispose()).catch(() => {});
    const index = Index.open(this.folder, { reranker, onProgress }).catch((error: unknown) => {
      this.#opened = undefined;
      throw (error as { code?: unknown }).code === "MODEL_MISMATCH" ? failure("MODEL_MISMATCH", (error as Error).message, WEIGHTS_HINT) : error;
    });
    this.#opened = { reranker, index };
    return index;
  }
}
