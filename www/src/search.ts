// How is a question answered? The first stage at once where it takes no model, then the model, then the better order.
import type { Reranker } from "tabrank";
import type { Finder } from "./finder.ts";
import type { Corpus } from "./first-stage.ts";
import type { FirstStage } from "./first-stage-words.ts";
import type { Model } from "./model.ts";
import { asProblem } from "./problem.ts";
import { stagesBehind } from "./stage-order.ts";
import { type Candidate, firstStageOf, type Store } from "./state.ts";

export class Search {
  #abort = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly model: Model,
    private readonly corpus: Promise<Corpus>,
    private readonly finders: Record<FirstStage, Finder>,
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

  /** As if nothing had been asked. */
  clear(): void {
    this.#abort.abort();
    this.store.set({ question: "", found: [], foundIn: undefined, fetched: undefined, run: { kind: "none" } });
  }

  cancel(): void {
    this.#abort.abort();
    this.store.set({ run: { kind: "cancelled" } });
  }

  async #answer(question: string, consent: boolean, signal: AbortSignal): Promise<void> {
    const expanded = this.store.state.expanded && question === this.store.state.question;
    this.store.set({ question, expanded, found: [], foundIn: undefined, fetched: undefined, run: { kind: "waiting" } });
    // A corpus that failed to load is shown as such, not as a failed question.
    const texts = this.store.state.own ?? (await this.corpus.catch(() => undefined));
    if (texts === undefined || signal.aborted) return;
    const finder = this.finders[firstStageOf(this.store.state)];
    const atOnce = !(await finder.needsModel(question));
    if (atOnce) await this.#find(finder, question, signal);

    if (signal.aborted || (!consent && !this.model.wanted)) return;
    // The model tells its own failures.
    const reranker = await this.model.load().catch(() => undefined);
    if (reranker === undefined || signal.aborted) return;
    if (!atOnce) await this.#find(finder, question, signal, reranker);
    if (!signal.aborted && this.store.state.found.length > 0) await this.#rerank(reranker, question, signal);
  }

  async #find(finder: Finder, question: string, signal: AbortSignal, reranker?: Reranker): Promise<void> {
    const since = performance.now();
    const onStep = (step: string) => {
      if (!signal.aborted) this.store.set({ run: { kind: "searching", step } });
    };
    const { candidates, fetched } = await finder.find(question, { count: this.store.state.candidates, signal, onStep }, reranker);
    if (signal.aborted) return;
    this.store.set({ found: candidates, fetched, foundIn: performance.now() - since, run: { kind: candidates.length > 0 ? "waiting" : "empty" } });
  }

  async #rerank(reranker: Reranker, question: string, signal: AbortSignal): Promise<void> {
    const { found } = this.store.state;
    this.store.set({ run: { kind: "reranking", done: 0, total: found.length } });
    const output = await reranker.rerank<Candidate>(question, found, {
      text: ({ paragraph }) => paragraph.text,
      stages: stagesBehind(firstStageOf(this.store.state)),
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
