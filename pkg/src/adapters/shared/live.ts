/** What a view shows of a model that loads and of a list that is ranked: states that are replaced whole, and listeners. React's hooks and Vue's composables stand on it. */

import type { Progress, RerankResult } from "../../index.js";
import { isBlank, type Ranker, rankedResults, type RankOptions } from "./ranker.js";

/** What is loaded: a `Reranker`, as a rule. */
export interface Model {
  dispose(): void;
}

/** A model that loads. */
export interface LoadingState<R> {
  /** Once it has loaded. */
  reranker: R | undefined;
  isLoading: boolean;
  /** From 0 to 1. */
  progress: number;
  /** Why it could not be loaded. */
  error: unknown;
}

/** A list that is ranked. */
export interface RankingState<T> {
  /** Those of the last ranking that ended, best first; they stay while the next one runs. */
  results: RerankResult<T>[];
  isRanking: boolean;
  /** From 0 to 1, of the ranking that runs or ran last. */
  progress: number;
  /** Why the last ranking failed; then there are no results. */
  error: unknown;
}

/** Loads a model: `({ signal, onProgress }) => Reranker.load(source, { signal, onProgress })`. */
export type Load<R> = (options: { signal: AbortSignal; onProgress: (progress: Progress) => void }) => Promise<R>;

export interface LiveOptions<T> extends RankOptions<T> {
  /** Results to give back; all by default. */
  topK?: number;
}

export interface Question<T> {
  /** None while it loads: then nothing is ranked. */
  reranker: Ranker | null | undefined;
  /** None, and no documents, while they are awaited: then there are no results. */
  query: string | null | undefined;
  documents: readonly T[] | null | undefined;
}

class Live<S> {
  #state: S;
  readonly #listeners = new Set<() => void>();

  constructor(state: S) {
    this.#state = state;
  }

  readonly state = (): S => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  protected set(changes: Partial<S>): void {
    this.#state = { ...this.#state, ...changes };
    for (const listener of this.#listeners) listener();
  }
}

export class LiveModel<R extends Model> extends Live<LoadingState<R>> {
  constructor() {
    super({ reranker: undefined, isLoading: true, progress: 0, error: undefined });
  }

  /** What ends the load, or the model where it has loaded. */
  start(load: Load<R>): () => void {
    const controller = new AbortController();
    const { signal } = controller;
    this.set({ reranker: undefined, isLoading: true, progress: 0, error: undefined });
    const onProgress = ({ progress }: Progress) => void (signal.aborted || this.set({ progress }));
    // Inside, so that one that throws at once has failed too.
    const loading = new Promise<R>((resolve) => resolve(load({ signal, onProgress })));
    loading.then(
      (reranker) => void (signal.aborted || this.set({ reranker, isLoading: false, progress: 1 })),
      (error) => void (signal.aborted || this.set({ isLoading: false, error })),
    );
    return () => {
      controller.abort();
      // One that had loaded already, or that paid no heed to the signal.
      loading.then((reranker) => reranker.dispose(), () => {});
    };
  }
}

export class LiveRanking<T> extends Live<RankingState<T>> {
  #running: AbortController | undefined;

  constructor() {
    super({ results: [], isRanking: false, progress: 0, error: undefined });
  }

  /** Ends the ranking that runs; results stay as they are. */
  readonly abort = (): void => {
    this.#running?.abort();
    this.#running = undefined;
    if (this.state().isRanking) this.set({ isRanking: false });
  };

  /** In place of the ranking that runs. Without a query or documents there are no results; without a reranker those that there are stay. */
  async rank({ reranker, query, documents }: Question<T>, options: LiveOptions<T>): Promise<void> {
    this.abort();
    if (isBlank(query) || !documents || documents.length === 0) return this.set({ results: [], progress: 0, error: undefined });
    if (!reranker) return;
    const running = (this.#running = new AbortController());
    const { signal } = running;
    const onProgress: LiveOptions<T>["onProgress"] = (progress) => {
      if (!signal.aborted) this.set({ progress: progress.done / progress.total });
      options.onProgress?.(progress);
    };
    this.set({ isRanking: true, progress: 0, error: undefined });
    try {
      const { results } = await rankedResults(reranker, query!, documents, { ...options, onProgress, signal });
      if (!signal.aborted) this.set({ results, isRanking: false, progress: 1 });
    } catch (error) {
      if (!signal.aborted) this.set({ results: [], isRanking: false, error });
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }
}
