/**
 * The candidates of a search page: a list is asked for and reranked once, and all its pages are cut from it. While somebody types, a newer search ends the ranking of the
 * one before it, which then answers in the backend's order, after the newer one: the frameworks drop an answer that is overtaken, and would show an error.
 */

import { held, rankAll, type RankerSource, type RankOptions } from "./ranker.js";

export interface SearchOptions<H> extends RankOptions<H> {
  reranker: RankerSource;
  /** The text of a hit. Hits without one are last. */
  text: (hit: H) => string | null | undefined;
  /** Hits that are asked for and reranked; 100. Rounded down to whole pages; pages beyond them are the backend's own. */
  candidates?: number;
  /** Hears why a list could not be reranked; the page then shows it in the backend's order. By default `console.error`. */
  onError?: (error: unknown) => void;
}

/** One search: its key names all that its hits depend on, its channel what it takes the place of. */
export interface Search<A> {
  channel: string;
  key: string;
  query: string;
  ask(): Promise<A>;
}

export interface RankedList<A, H> {
  answer: A;
  hits: H[];
}

/** What a channel is at. */
interface Current {
  key: string;
  done: Promise<unknown>;
  isDone: boolean;
  ranking: AbortController;
}

const MOST_KEPT = 20;

export class RankedLists<A, H> {
  readonly #hitsOf: (answer: A) => readonly H[];
  readonly #options: SearchOptions<H>;
  readonly #lists = new Map<string, Promise<RankedList<A, H>>>();
  readonly #newest = new Map<string, Current>();

  constructor(options: SearchOptions<H>, hitsOf: (answer: A) => readonly H[]) {
    this.#options = { ...options, reranker: held(options.reranker) };
    this.#hitsOf = hitsOf;
  }

  has(key: string): boolean {
    return this.#lists.has(key);
  }

  clear(): void {
    this.#lists.clear();
  }

  get(search: Search<A>): Promise<RankedList<A, H>> {
    const { channel, key } = search;
    const ranking = new AbortController();
    const list = this.#lists.get(key) ?? this.#make(search, ranking.signal);
    this.#keep(key, list);
    if (this.#newest.get(channel)?.key !== key) this.#takePlace(channel, key, list, ranking);
    return list;
  }

  /** A search whose answer is the backend's own. */
  pass(channel: string, answer: Promise<unknown>): void {
    this.#takePlace(channel, "", answer, new AbortController());
  }

  /** What is ended is no longer the list of its key: whoever types it once more gets another. */
  #takePlace(channel: string, key: string, done: Promise<unknown>, ranking: AbortController): void {
    const before = this.#newest.get(channel);
    if (before && !before.isDone) {
      this.#lists.delete(before.key);
      before.ranking.abort();
    }
    const current = { key, done, isDone: false, ranking };
    this.#newest.set(channel, current);
    const end = () => void (current.isDone = true);
    done.then(end, end);
  }

  /** The last to be asked for are the last to go. */
  #keep(key: string, list: Promise<RankedList<A, H>>): void {
    this.#lists.delete(key);
    this.#lists.set(key, list);
    for (const oldest of this.#lists.keys()) if (this.#lists.size > MOST_KEPT) this.#lists.delete(oldest);
  }

  async #make(search: Search<A>, signal: AbortSignal): Promise<RankedList<A, H>> {
    try {
      const answer = await search.ask();
      const hits = this.#hitsOf(answer);
      return await this.#ranked(search.query, hits, signal).then(
        (ranked) => ({ answer, hits: ranked }),
        (error) => this.#asItCame(search, { answer, hits: [...hits] }, signal, error),
      );
    } catch (error) {
      this.#lists.delete(search.key);
      throw error;
    }
  }

  async #ranked(query: string, hits: readonly H[], signal: AbortSignal): Promise<H[]> {
    const { reranker, candidates: _, onError: __, ...options } = this.#options;
    const { ranked } = await rankAll(reranker, query, hits, { ...options, signal });
    return ranked.map(({ document }) => document);
  }

  async #asItCame<L>(search: Search<A>, list: L, signal: AbortSignal, error: unknown): Promise<L> {
    this.#lists.delete(search.key);
    if (signal.aborted) await this.#overtaken(search.channel);
    else (this.#options.onError ?? console.error)(error);
    return list;
  }

  async #overtaken(channel: string): Promise<void> {
    await this.#newest.get(channel)?.done.catch(() => {});
    // The newer answer reaches its caller by some promises more.
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** Hits that are asked for at once: whole pages, so that the ones behind them are whole as well. */
export function windowOf(candidates: number | undefined, perPage: number): number {
  return Math.max(1, Math.floor((candidates ?? 100) / perPage)) * perPage;
}

/** Pages of `perPage` hits, of a backend that counted `pages` of `window` hits: it may give fewer than it found. */
export function pagesOf(total: number, pages: number | undefined, window: number, perPage: number): number {
  return Math.ceil(Math.min(total, (pages ?? Infinity) * window) / perPage);
}
