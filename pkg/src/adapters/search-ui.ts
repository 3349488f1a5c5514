/**
 * Elastic's Search UI: an `onSearch` that reranks. It asks the connector for `candidates` results, reranks them and cuts each page from that list, the later ones without
 * another request. Results come back as they came, snippets included, and so do facets and the raw response.
 */

import { pagesOf, RankedLists, type SearchOptions, windowOf } from "./shared/ranked-lists.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** What is read of Search UI's state. */
export interface SearchUiState {
  searchTerm?: string;
  current?: number;
  resultsPerPage?: number;
  sortField?: string;
  sortList?: readonly unknown[];
}

/** What is read of an answer. */
export interface SearchUiAnswer {
  results: unknown[];
  totalResults: number;
  totalPages: number;
  pagingStart: number;
  pagingEnd: number;
}

export interface RerankedSearchOptions<H> extends SearchOptions<H> {}

interface Page {
  window: number;
  current: number;
  resultsPerPage: number;
}

/**
 * The option `onSearch` of a `SearchDriver`. Left alone are searches without a term, in an order that the user chose, and pages beyond the candidates.
 *
 * @example
 * import { rerankedSearch } from "tabrank/adapters/search-ui";
 * const onSearch = rerankedSearch({ reranker, text: (result: { body: { raw: string } }) => result.body.raw });
 */
export function rerankedSearch<H>(options: RerankedSearchOptions<H>) {
  const lists = new RankedLists<SearchUiAnswer, H>(options, ({ results }) => results as H[]);
  return async <S extends SearchUiState, Q, A extends SearchUiAnswer>(state: S, queryConfig: Q, next: (state: S, queryConfig: Q) => Promise<A>): Promise<A> => {
    const page = pageIn(state, options.candidates);
    if (!page) {
      const answer = next(state, queryConfig);
      lists.pass(CHANNEL, answer);
      return answer;
    }
    const { current: _, resultsPerPage: __, ...rest } = state;
    const ask = () => next({ ...state, current: 1, resultsPerPage: page.window }, queryConfig);
    const list = await lists.get({ channel: CHANNEL, key: JSON.stringify([page.window, rest, queryConfig]), query: state.searchTerm!, ask });
    return pageOf(list.answer as A, list.hits, page);
  };
}

/** A driver has one list of results. */
const CHANNEL = "results";

function pageIn({ searchTerm = "", sortField, sortList, current = 1, resultsPerPage = 20 }: SearchUiState, candidates: number | undefined): Page | undefined {
  const isSorted = Boolean(sortField) || (sortList ?? []).length > 0;
  const window = windowOf(candidates, resultsPerPage);
  if (searchTerm.trim() === "" || isSorted || (current - 1) * resultsPerPage >= window) return undefined;
  return { window, current, resultsPerPage };
}

function pageOf<H, A extends SearchUiAnswer>(answer: A, hits: H[], { window, current, resultsPerPage }: Page): A {
  const before = (current - 1) * resultsPerPage;
  const results = hits.slice(before, before + resultsPerPage);
  const { totalResults } = answer;
  return {
    ...answer,
    results,
    totalPages: pagesOf(totalResults, answer.totalPages, window, resultsPerPage),
    pagingStart: results.length === 0 ? 0 : before + 1,
    pagingEnd: before + results.length,
  };
}
