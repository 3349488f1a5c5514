// How is a question answered? First stage at once where its vector is known, then the model, then the better order.
import type { EncodeOptions, Reranker } from "tabrank";
import type { CollectionIndex } from "./collection-index.ts";
import { candidatesOf, type Corpus, requireSameModel } from "./first-stage.ts";
import type { Model } from "./model.ts";
import { asProblem } from "./problem.ts";
import { STAGES } from "./stage-order.ts";
import type { Candidate, Store } from "./state.ts";

export class Search {
  #abort = new AbortController();
  /** Models whose vectors are those of the corpus. */
  readonly #known = new WeakSet<Reranker>();

  constructor(
    private readonly store: Store,
    private readonly model: Model,
    private readonly corpus: Promise<Corpus>,
    private readonly index: CollectionIndex,
  ) {}

  /** Ends the question before it. `consent`: the model may be loaded for this one. */
  async ask(question: string, consent: boolean): Promise<void> {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    try {
      await this.#answer(question, consent, signal);
    } catch (error) {
      if (!signal.aborted) this.store.set({ run: { kind: "failed", problem: asProblem(error) } });
    }
  }

  /** Asks the present question once more, with the settings of now. */
  async again(consent: boolean): Promise<void> {
    const { question } = this.store.state;
    if (question !== "") await this.ask(question, consent);
    else if (consent) await this.model.load().catch(() => {});
  }

  cancel(): void {
    this.#abort.abort();
    this.store.set({ run: { kind: "cancelled" } });
  }

  async #answer(question: string, consent: boolean, signal: AbortSignal): Promise<void> {
    const { firstStage } = this.store.state;
    const expanded = this.store.state.expanded && question === this.store.state.question;
    this.store.set({ question, expanded, found: [], foundIn: undefined, fetched: undefined, run: { kind: "waiting" } });
    // A corpus that failed to load is shown as such, not as a failed question.
    const corpus = await this.corpus.catch(() => undefined);
    if (corpus === undefined || signal.aborted) return;
    const example = corpus.examples.find(({ text }) => text === question);
    const stored = firstStage === "vectors" ? example?.vector : undefined;
    if (stored !== undefined) this.#firstStage(corpus, stored, performance.now());

    if (!consent && !this.model.wanted) return;
    // The model tells its own failures.
    const reranker = await this.model.load().catch(() => undefined);
    if (reranker === undefined || signal.aborted) return;
    if (firstStage === "index") await this.#searchIndex(corpus, reranker, question, signal);
    else if (stored === undefined) await this.#encodeAndSearch(corpus, reranker, question, signal);
    if (!signal.aborted && this.store.state.found.length > 0) await this.#rerank(reranker, question, signal);
  }

  #firstStage(corpus: Corpus, vector: Float32Array, since: number): void {
    const found = candidatesOf(corpus, vector, this.store.state.candidates);
    const foundIn = performance.now() - since;
    this.store.set({ found, foundIn, run: { kind: found.length > 0 ? "waiting" : "empty" } });
  }

  async #searchIndex(corpus: Corpus, reranker: Reranker, question: string, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    this.store.set({ run: { kind: "searching" } });
    const { candidates: found, fetched } = await this.index.search(question, corpus.paragraphs, reranker, this.store.state.candidates, signal);
    if (signal.aborted) return;
    this.store.set({ found, fetched, foundIn: performance.now() - since, run: { kind: found.length > 0 ? "waiting" : "empty" } });
  }

  async #encodeAndSearch(corpus: Corpus, reranker: Reranker, question: string, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    this.store.set({ run: { kind: "searching" } });
    // As the corpus was encoded: by the checkpoint's own pooling, if it has one.
    const pooling = reranker.model.pooling === null ? "mean" : "checkpoint";
    await this.#requireOwn(corpus, reranker, { pooling, signal });
    const { values } = await reranker.encodeQuery(question, { pooling, signal });
    if (!signal.aborted) this.#firstStage(corpus, values, since);
  }

  /** An example's vector tells by which model the corpus was encoded. */
  async #requireOwn(corpus: Corpus, reranker: Reranker, options: EncodeOptions): Promise<void> {
    const [example] = corpus.examples;
    if (example === undefined || this.#known.has(reranker)) return;
    const { values } = await reranker.encodeQuery(example.text, options);
    requireSameModel(example.vector, values);
    this.#known.add(reranker);
  }

  async #rerank(reranker: Reranker, question: string, signal: AbortSignal): Promise<void> {
    const { found } = this.store.state;
    this.store.set({ run: { kind: "reranking", done: 0, total: found.length } });
    const output = await reranker.rerank<Candidate>(question, found, {
      text: ({ paragraph }) => paragraph.text,
      stages: STAGES,
      explain: true,
      signal,
      onProgress: ({ done, total }) => {
        if (!signal.aborted) this.store.set({ run: { kind: "reranking", done, total } });
      },
    });
    if (signal.aborted) return;
    this.store.set({ run: { kind: "done", output } });
    this.model.refresh(output);
  }
}
