/**
 * Vue's composables for a model that loads and a list that is ranked.
 *
 * Vue is handed in rather than imported: so the package depends on no version of it, and there is never a second copy.
 */

import { type LiveOptions, LiveModel, LiveRanking, type Load, type LoadingState, type Model, type Question, type RankingState } from "./shared/live.js";

export type { LiveOptions, Load, LoadingState, Model, Question, RankingState } from "./shared/live.js";
export type { Ranker, RankOptions } from "./shared/ranker.js";

/** What is used of Vue, from version 3.3 on. */
export interface VueCore {
  onMounted(task: () => void): void;
  onScopeDispose(task: () => void): void;
  shallowRef<V>(value: V): { value: V };
  watch<V>(source: () => V, callback: (value: V) => void, options: { immediate: true }): unknown;
}

/** A value, a ref of one, or a function that gives it; by the last two a composable hears of changes. */
export type MaybeGetter<V> = V | { readonly value: V } | (() => V);

/** As refs, which a template reads by their names. */
export type Refs<S> = { readonly [K in keyof S]: { readonly value: S[K] } };

export interface RankSources<T> {
  /** None while it loads: then nothing is ranked. */
  reranker: MaybeGetter<Question<T>["reranker"]>;
  /** None, and no documents, while they are awaited: then there are no results. */
  query: MaybeGetter<Question<T>["query"]>;
  documents: MaybeGetter<Question<T>["documents"]>;
}

export interface Composables {
  /** Loads a model when the component is mounted, and disposes of it when that ends. */
  useReranker<R extends Model>(load: Load<R>): Refs<LoadingState<R>>;
  /**
   * Ranks whenever the reranker, the query or the documents change; a newer ranking ends the one before it, as does the scope's end. `abort` ends the ranking that runs.
   */
  useRerank<T>(sources: RankSources<T>, options?: LiveOptions<T>): Refs<RankingState<T>> & { abort(): void };
}

/**
 * The composables, of your Vue. Call it once, beside your components.
 *
 * @example
 * import { rerankComposables, type VueCore } from "tabrank/adapters/vue";
 * declare const Vue: VueCore;
 * const { useReranker, useRerank } = rerankComposables(Vue);
 */
export function rerankComposables({ onMounted, onScopeDispose, shallowRef, watch }: VueCore): Composables {
  function refsOf<S extends object>(live: { state(): S; subscribe(listener: () => void): () => void }): Refs<S> {
    const refs = Object.entries(live.state()).map(([name, value]) => [name, shallowRef<unknown>(value)] as const);
    const read = () => refs.forEach(([name, ref]) => (ref.value = live.state()[name as keyof S]));
    onScopeDispose(live.subscribe(read));
    return Object.fromEntries(refs) as Refs<S>;
  }
  return {
    useReranker<R extends Model>(load: Load<R>) {
      const live = new LiveModel<R>();
      let stop = () => {};
      onMounted(() => void (stop = live.start(load)));
      onScopeDispose(() => stop());
      return refsOf(live);
    },
    useRerank<T>({ reranker, query, documents }: RankSources<T>, options: LiveOptions<T> = {}) {
      const live = new LiveRanking<T>();
      const asked = () => ({ reranker: valueOf(reranker), query: valueOf(query), documents: entriesOf(valueOf(documents)) });
      watch(asked, (question) => void live.rank(question, options), { immediate: true });
      onScopeDispose(live.abort);
      return { ...refsOf(live), abort: live.abort };
    },
  };
}

/** Each is read, so that a change to one is heard of. */
const entriesOf = <L>(documents: L): L => (Array.isArray(documents) ? ([...documents] as L) : documents);

function valueOf<V>(source: MaybeGetter<V>): V {
  if (typeof source === "function") return (source as () => V)();
  return typeof source === "object" && source !== null && "value" in source ? source.value : (source as V);
}
