// Candidates by one vector for each paragraph. The vector of an example question was made beforehand, that of another one takes the model.
import type { EncodeOptions, Reranker } from "tabrank";
import type { FindOptions, Finder, Found } from "./finder.ts";
import { candidatesOf, type Corpus, requireSameModel } from "./first-stage.ts";

export class VectorSearch implements Finder {
  /** Models whose vectors are those of the corpus. */
  readonly #known = new WeakSet<Reranker>();

  constructor(private readonly corpus: Promise<Corpus>) {}

  async needsModel(question: string): Promise<boolean> {
    return stored(await this.corpus, question) === undefined;
  }

  async find(question: string, { count, signal, onStep }: FindOptions, reranker?: Reranker): Promise<Found> {
    const corpus = await this.corpus;
    const vector = stored(corpus, question);
    if (vector !== undefined) return { candidates: candidatesOf(corpus, vector, count) };
    onStep("Encoding the question …");
    return { candidates: candidatesOf(corpus, await this.#encode(corpus, question, reranker!, signal), count) };
  }

  async #encode(corpus: Corpus, question: string, reranker: Reranker, signal: AbortSignal): Promise<Float32Array> {
    // As the corpus was encoded: by the checkpoint's own pooling, if it has one.
    const pooling = reranker.model.pooling === null ? "mean" : "checkpoint";
    await this.#requireOwn(corpus, reranker, { pooling, signal });
    return (await reranker.encodeQuery(question, { pooling, signal })).values;
  }

  /** An example's vector tells by which model the corpus was encoded. */
  async #requireOwn(corpus: Corpus, reranker: Reranker, options: EncodeOptions): Promise<void> {
    const [example] = corpus.examples;
    if (example === undefined || this.#known.has(reranker)) return;
    const { values } = await reranker.encodeQuery(example.text, options);
    requireSameModel(example.vector, values);
    this.#known.add(reranker);
  }
}

function stored({ examples }: Corpus, question: string): Float32Array | undefined {
  return examples.find(({ text }) => text === question)?.vector;
}
