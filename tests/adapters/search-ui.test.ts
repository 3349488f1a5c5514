import { SearchDriver } from "@elastic/search-ui";
import ElasticsearchAPIConnector from "@elastic/search-ui-elasticsearch-connector";
import { type RerankedSearchOptions, rerankedSearch } from "tabrank/adapters/search-ui";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SearchService } from "./lib/search-servers.js";
import { slowFor, tinyModel } from "./lib/tiny.js";

interface Result {
  id: { raw: string };
  body: { raw: string; snippet: string[] };
}

const tiny = tinyModel();
const corpus = Array.from({ length: 130 }, (_, number) => `${tiny.documents[number % tiny.documents.length]} ${number}`);
const text = (result: Result) => result.body.raw;

const opened: SearchService[] = [];
afterEach(() => opened.splice(0).forEach((service) => service.close()));

async function driverOf(service: SearchService, options: Partial<RerankedSearchOptions<Result>> = {}): Promise<SearchDriver> {
  opened.push(service);
  const apiConnector = new ElasticsearchAPIConnector({ host: `http://localhost:${await service.listen()}`, index: "texts" });
  const onSearch = rerankedSearch<Result>({ reranker: tiny.reranker, text, ...options });
  const searchQuery = { search_fields: { body: {} }, result_fields: { body: { raw: {}, snippet: {} } }, facets: { kind: { type: "value" } } };
  return new SearchDriver({ apiConnector, onSearch, searchQuery, trackUrlState: false, initialState: { resultsPerPage: 20 } });
}

const idsOf = (driver: SearchDriver) => driver.getState().results.map((result) => (result as Result).id.raw);
const settled = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 10 });

async function expectedOrder(): Promise<string[]> {
  const { results } = await tiny.reranker.rerank(tiny.query, corpus.slice(0, 100));
  return [...results.map(({ index }) => index), ...[...corpus.keys()].slice(100)].map(String);
}

describe("a SearchDriver", () => {
  test("shows the best of a hundred, later pages from the same list, and those beyond it from the connector", async () => {
    const service = SearchService.elasticsearch(corpus);
    const driver = await driverOf(service);
    const order = await expectedOrder();
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(0, 20)));
    const first = driver.getState();
    expect(first).toMatchObject({ totalPages: 7, totalResults: 130, pagingStart: 1, pagingEnd: 20, rawResponse: { took: 1 }, facets: { kind: [{ data: [{ value: "text", count: 130 }] }] } });
    const [best] = first.results as Result[];
    expect(best!.body.raw).toBe(corpus[Number(order[0])]);
    expect(best!.body.snippet).toEqual([`<mark>${best!.body.raw.slice(0, 5)}</mark>${best!.body.raw.slice(5)}`]);
    driver.getActions().setCurrent(3);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(40, 60)));
    expect(driver.getState()).toMatchObject({ pagingStart: 41, pagingEnd: 60, current: 3, resultsPerPage: 20 });
    driver.getActions().setCurrent(6);
    await settled(() => expect(idsOf(driver)).toEqual(order.slice(100, 120)));
    expect(service.asked).toMatchObject([{ page: 0, perPage: 100 }, { page: 5, perPage: 20 }]);
  });

  test("leaves searches alone that have no term or an order of their own", async () => {
    const service = SearchService.elasticsearch(corpus);
    const driver = await driverOf(service);
    driver.getActions().setResultsPerPage(5);
    await settled(() => expect(idsOf(driver)).toEqual(["0", "1", "2", "3", "4"]));
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(service.asked).toHaveLength(2));
    driver.getActions().setSort("date", "desc");
    await settled(() => expect(service.asked.at(-1)).toMatchObject({ sort: { date: "desc" }, perPage: 5 }));
    await settled(() => expect(idsOf(driver)).toEqual(["0", "1", "2", "3", "4"]));
    driver.getActions().setSort([{ field: "date", direction: "desc" }], "desc");
    await settled(() => expect(service.asked).toHaveLength(4));
    expect(service.asked.map(({ perPage }) => perPage)).toEqual([5, 100, 5, 5]);
  });

  test("never shows the answer to a term that was typed on", async () => {
    const { ranker, calls } = slowFor(tiny.reranker, "water", "water in");
    const driver = await driverOf(SearchService.elasticsearch(corpus), { reranker: ranker });
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

  test("shows an empty list as one, and the backend's order where the reranker fails", async () => {
    const empty = await driverOf(SearchService.elasticsearch([]));
    empty.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(empty.getState()).toMatchObject({ results: [], totalPages: 0, pagingStart: 0, pagingEnd: 0, wasSearched: true }));
    const onError = vi.fn();
    const failing = await driverOf(SearchService.elasticsearch(corpus), { reranker: Promise.reject(new Error("no model")), onError });
    failing.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(idsOf(failing)).toEqual([...corpus.keys()].slice(0, 20).map(String)));
    expect(onError).toHaveBeenCalledExactlyOnceWith(new Error("no model"));
  });

  test("shows the connector's own error", async () => {
    const service = SearchService.elasticsearch(corpus);
    const driver = await driverOf(service);
    service.close();
    driver.getActions().setSearchTerm(tiny.query);
    await settled(() => expect(driver.getState().error).toContain("fetch failed"));
  });
});
