import { type APIConnector, type RequestState, type ResponseState, SearchDriver } from "@elastic/search-ui";
import { type RerankedSearchOptions, rerankedSearch } from "tabrank/adapters/search-ui";
import { describe, expect, test, vi } from "vitest";
import { slowFor, tinyModel } from "./lib/tiny.js";

interface Result {
  id: { raw: string };
  body: { raw: string; snippet: string };
}

const tiny = tinyModel();
const corpus = Array.from({ length: 130 }, (_, number) => `${tiny.documents[number % tiny.documents.length]} ${number}`);
const text = (result: Result) => result.body.raw;

/** Everything is found, in the order of the list. */
class Connector implements APIConnector {
  readonly asked: RequestState[] = [];
  constructor(readonly documents: readonly string[] = corpus) {}

  onSearch = async (state: RequestState): Promise<ResponseState> => {
    this.asked.push(state);
    const { current = 1, resultsPerPage = 20, searchTerm = "" } = state;
    const first = (current - 1) * resultsPerPage;
    const results = this.documents.map((raw, number) => ({ id: { raw: String(number) }, body: { raw, snippet: `<em>${raw}</em>` } })).slice(first, first + resultsPerPage);
    return {
      results,
      totalResults: this.documents.length,
      totalPages: Math.ceil(this.documents.length / resultsPerPage),
      pagingStart: first + 1,
      pagingEnd: first + results.length,
      resultSearchTerm: searchTerm,
      requestId: "request",
      facets: { kind: [{ type: "value", data: [{ value: "text", count: this.documents.length }] }] },
      rawResponse: { took: 1 },
      wasSearched: true,
    };
  };
  onAutocomplete = () => Promise.reject(new Error("not asked for"));
  onResultClick() {}
  onAutocompleteResultClick() {}
}

function driverOf(apiConnector: Connector, options: Partial<RerankedSearchOptions<Result>> = {}): SearchDriver {
  const onSearch = rerankedSearch<Result>({ reranker: tiny.reranker, text, ...options });
  return new SearchDriver({ apiConnector, onSearch, trackUrlState: false, initialState: { resultsPerPage: 20 } });
}

const idsOf = (driver: SearchDriver) => driver.getState().results.map((result) => (result as Result).id.raw);
const settled = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 10 });

async function expectedOrder(): Promise<string[]> {
  const { results } = await tiny.reranker.rerank(tiny.query, corpus.slice(0, 100));
  return [...results.map(({ index }) => index), ...[...corpus.keys()].slice(100)].map(String);
}

describe("a SearchDriver", () => {
  test("shows the best of a hundred, later pages from the same list, and those beyond it from the connector", async () => {
    const connector = new Connector();
    const driver = driverOf(connector);
    const order = await expectedOrder();
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(0, 20)));
    const first = driver.getState();
    expect(first).toMatchObject({ totalPages: 7, totalResults: 130, pagingStart: 1, pagingEnd: 20, rawResponse: { took: 1 }, facets: { kind: [{ data: [{ count: 130 }] }] } });
    expect((first.results[0] as Result).body.snippet).toBe(`<em>${corpus[Number(order[0])]}</em>`);
    driver.getActions().setCurrent(3);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(40, 60)));
    expect(driver.getState()).toMatchObject({ pagingStart: 41, pagingEnd: 60, current: 3, resultsPerPage: 20 });
    driver.getActions().setCurrent(6);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(100, 120)));
    expect(connector.asked).toMatchObject([{ current: 1, resultsPerPage: 100 }, { current: 6, resultsPerPage: 20 }]);
  });

  test("leaves searches alone that have no term or an order of their own", async () => {
    const connector = new Connector();
    const driver = driverOf(connector);
    driver.getActions().setResultsPerPage(5);
    await settled(() => expect(idsOf(driver)).toEqual(["0", "1", "2", "3", "4"]));
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(connector.asked).toHaveLength(2));
    driver.getActions().setSort("date", "desc");
    await settled(() => expect(connector.asked.at(-1)).toMatchObject({ sortField: "date", resultsPerPage: 5 }));
    await settled(() => expect(idsOf(driver)).toEqual(["0", "1", "2", "3", "4"]));
    driver.getActions().setSort([{ field: "date", direction: "desc" }], "desc");
    await settled(() => expect(connector.asked).toHaveLength(4));
    expect(connector.asked.map(({ resultsPerPage }) => resultsPerPage)).toEqual([5, 100, 5, 5]);
  });

  test("never shows the answer to a term that was typed on", async () => {
    const connector = new Connector();
    const { ranker, calls } = slowFor(tiny.reranker, "water", "water in");
    const driver = driverOf(connector, { reranker: ranker });
    const shown: string[] = [];
    driver.subscribeToStateChanges(({ results }) => void (results[0] && shown.push((results[0] as Result).id.raw)));
    const order = await expectedOrder();
    for (const term of ["water", "water in", tiny.query]) {
      driver.getActions().setSearchTerm(term);
      await settled(() => expect(calls.at(-1)?.query).toBe(term));
    }
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(0, 20)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
    expect(new Set(shown)).toEqual(new Set([order[0]]));
    expect(driver.getState()).toMatchObject({ error: "", isLoading: false });
  });

  test("shows an empty list as one, and the connector's order where the reranker fails", async () => {
    const empty = driverOf(new Connector([]));
    empty.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(empty.getState()).toMatchObject({ results: [], totalPages: 0, pagingStart: 0, pagingEnd: 0, wasSearched: true }));
    const onError = vi.fn();
    const failing = driverOf(new Connector(), { reranker: Promise.reject(new Error("no model")), onError });
    failing.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(idsOf(failing)).toEqual([...corpus.keys()].slice(0, 20).map(String)));
    expect(onError).toHaveBeenCalledExactlyOnceWith(new Error("no model"));
  });

  test("shows the connector's own error", async () => {
    const connector = new Connector();
    connector.onSearch = () => Promise.reject(new Error("no backend"));
    const driver = driverOf(connector);
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(driver.getState().error).toContain("no backend"));
  });
});
