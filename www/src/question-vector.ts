// The one vector of a question, by which paragraphs are compared with it. That of an example question was made beforehand, that of another one takes the model.
import type { EncodeOptions, Reranker } from "tabrank";
import type { FindOptions } from "./finder.ts";
import { type Corpus, requireSameModel } from "./first-stage.ts";

export class QuestionVector {
  /** Models whose vectors are those of the corpus. */
  readonly #known = new WeakSet<Reranker>();

  constructor(private readonly corpus: Promise<Corpus>) {}

  async needsModel(question: string): Promise<boolean> {
    return (await this.#stored(question)) === undefined;
  }

  async of(question: string, { signal, onStep }: FindOptions, reranker?: Reranker): Promise<Float32Array> {
    const stored = await this.#stored(question);
    if (stored !== undefined) return stored;
    onStep("Encoding the question …");
    return this.#encode(question, reranker!, signal);
  }

  async #stored(question: string): Promise<Float32Array | undefined> {
    return (await this.corpus).examples.find(({ text }) => text === question)?.vector;
  }

  async #encode(question: string, reranker: Reranker, signal: AbortSignal): Promise<Float32Array> {
    // As the corpus was encoded: by the checkpoint's own pooling, if it has one.
    const pooling = reranker.model.pooling === null ? "mean" : "checkpoint";
    await this.#requireOwn(reranker, { pooling, signal });
    return (await reranker.encodeQuery(question, { pooling, signal })).values;
  }

  /** An example's vector tells by which model the corpus was encoded. */
  async #requireOwn(reranker: Reranker, options: EncodeOptions): Promise<void> {
    const [example] = (await this.corpus).examples;
    if (example === undefined || this.#known.has(reranker)) return;
    const { values } = await reranker.encodeQuery(example.text, options);
    requireSameModel(example.vector, values);
    this.#known.add(reranker);
  }
}
