/**
 * React's hooks for a model that loads and a list that is ranked.
 *
 * React is handed in rather than imported: so the package depends on no version of it, there is never a second copy, and Preact's `preact/compat` will do.
 */

import { type LiveOptions, LiveModel, LiveRanking, type Load, type LoadingState, type Model, type Question, type RankingState } from "./shared/live.js";

export type { LiveOptions, Load, LoadingState, Model, Question, RankingState } from "./shared/live.js";
export type { Ranker, RankOptions } from "./shared/ranker.js";

/** What is used of React, from version 18 on. */
export interface ReactHooks {
  useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  useRef<V>(value: V): { current: V };
  useState<V>(initial: () => V): [V, ...unknown[]];
  useSyncExternalStore<S>(subscribe: (listener: () => void) => () => void, state: () => S, onServer: () => S): S;
}

export interface RankQuestion<T> extends Question<T>, LiveOptions<T> {}

export interface Hooks {
  /**
   * Loads a model when the component is mounted, and disposes of it when that ends. `key` stands for what is loaded: with another one the model is loaded anew. What
   * was given as `load` first counts, or with the key.
   */
  useReranker<R extends Model>(load: Load<R>, key?: string): LoadingState<R>;
  /**
   * Ranks whenever the reranker, the query or an entry of the documents is another; a newer ranking ends the one before it, as does the component's end. Options, functions among
   * them, are those of the render that the ranking came from, and start none by themselves. `abort` ends the ranking that runs.
   */
  useRerank<T>(question: RankQuestion<T>): RankingState<T> & { abort(): void };
}

/**
 * The hooks, of your React. Call it once, beside your components.
 *
 * @example
 * import { rerankHooks, type ReactHooks } from "tabrank/adapters/react";
 * declare const React: ReactHooks;
 * const { useReranker, useRerank } = rerankHooks(React);
 */
export function rerankHooks({ useEffect, useRef, useState, useSyncExternalStore }: ReactHooks): Hooks {
  return {
    useReranker<R extends Model>(load: Load<R>, key?: string) {
      const [live] = useState(() => new LiveModel<R>());
      useEffect(() => live.start(load), [live, key]);
      return useSyncExternalStore(live.subscribe, live.state, live.state);
    },
    useRerank<T>({ reranker, query, documents, ...options }: RankQuestion<T>) {
      const [live] = useState(() => new LiveRanking<T>());
      const known = useRef(documents);
      if (!sameEntries(known.current, documents)) known.current = documents;
      const list = known.current;
      useEffect(() => {
        void live.rank({ reranker, query, documents: list }, options as LiveOptions<T>);
        return live.abort;
      }, [live, reranker, query, list]);
      const state = useSyncExternalStore(live.subscribe, live.state, live.state);
      return { ...state, abort: live.abort };
    },
  };
}

/** A list that is made in each render is another one each time, as is what is no list at all, which is refused once. */
function sameEntries<T>(one: Question<T>["documents"], other: Question<T>["documents"]): boolean {
  if (!Array.isArray(one) || !Array.isArray(other)) return Array.isArray(one) === Array.isArray(other) && !one === !other;
  return one === other || (one.length === other.length && one.every((entry, index) => Object.is(entry, other[index])));
}
