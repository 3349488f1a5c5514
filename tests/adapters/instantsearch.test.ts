import { instantMeiliSearch } from "@meilisearch/instant-meilisearch";
import { liteClient } from "algoliasearch/lite";
import instantsearch from "instantsearch.js";
import { connectHits, connectPagination, connectRefinementList, connectSearchBox } from "instantsearch.js/es/connectors";
import type { InstantSearch, SearchClient, Widget } from "instantsearch.js/es/types";
import { configure, index } from "instantsearch.js/es/widgets";
import { rerankedClient, type RerankedClientOptions } from "tabrank/adapters/instantsearch";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Hit, SearchService } from "./lib/search-servers.js";
import { slowFor, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const corpus = Array.from({ length: 130 }, (_, number) => `${tiny.documents[number % tiny.documents.length]} ${number}`);
const text = (hit: Hit) => hit.body;

/** The first hundred in the model's order, and the others as they came. */
async function expectedOrder(query = tiny.query): Promise<string[]> {
  const { results } = await tiny.reranker.rerank(query, corpus.slice(0, 100));
  return [...results.map(({ index }) => index), ...[...corpus.keys()].slice(100)].map(String);
}

/** A page with a box, a list and a pager, as InstantSearch's connectors see it. */
class Page {
  readonly search: InstantSearch;
  readonly shown: { [index: string]: { ids: string[]; hits: Hit[]; pages: number } } = {};
  readonly orders: string[][] = [];
  refine: (query: string) => void = () => {};
  goTo: (page: number) => void = () => {};

  constructor(searchClient: SearchClient, others: Widget[] = []) {
    this.search = instantsearch({ indexName: "texts", searchClient });
    this.search.addWidgets([...this.widgets("texts"), connectSearchBox(({ refine }) => void (this.refine = refine))({}), ...others]);
    this.search.start();
  }

  widgets(name: string): Widget[] {
    const hits = connectHits(({ items, results }) => {
      this.shown[name] = { ids: items.map(({ objectID }) => objectID), hits: items as unknown as Hit[], pages: results?.nbPages ?? 0 };
      if (name === "texts" && results?.query) this.orders.push(this.shown[name].ids);
    });
    const pages = connectPagination(({ refine }) => void (this.goTo = refine));
    return [configure({ hitsPerPage: 20 }), hits({}), pages({})] as unknown as Widget[];
  }

  async settled(check: () => void): Promise<void> {
    await vi.waitFor(check, { timeout: 20_000, interval: 20 });
  }
}

const opened: { close(): void }[] = [];
afterEach(() => opened.splice(0).forEach((one) => one.close()));

function algolia(service: SearchService): ReturnType<typeof liteClient> {
  return liteClient("application", "key", { requester: { send: async ({ data }) => ({ status: 200, content: JSON.stringify(service.answer(data as string)), isTimedOut: false }) } });
}

async function typesense(service: SearchService): Promise<SearchClient> {
  const { default: Adapter } = await import("typesense-instantsearch-adapter");
  const server = { apiKey: "key", nodes: [{ host: "localhost", port: await service.listen(), protocol: "http" }] };
  opened.push(service);
  return new Adapter({ server, additionalSearchParameters: { query_by: "body" } }).searchClient as unknown as SearchClient;
}

async function meilisearch(service: SearchService): Promise<SearchClient> {
  const { searchClient } = instantMeiliSearch(`http://localhost:${await service.listen()}`, "key", { finitePagination: true, primaryKey: "objectID" });
  opened.push(service);
  return searchClient as unknown as SearchClient;
}

describe.each([
  ["Algolia", SearchService.algolia, async (service: SearchService) => algolia(service) as SearchClient],
  ["Typesense", SearchService.typesense, typesense],
  ["Meilisearch", SearchService.meilisearch, meilisearch],
])("with %s's client", (_, serviceOf, clientOf) => {
  test("a page shows the best of a hundred, its later pages come from the same list, and those beyond it from the backend", async () => {
    const service = serviceOf(corpus);
    const page = new Page(rerankedClient(await clientOf(service), { reranker: tiny.reranker, text }));
    const order = await expectedOrder();
    page.refine(tiny.query);
    await page.settled(() => expect(page.shown["texts"]?.ids).toEqual(order.slice(0, 20)));
    const { hits, pages } = page.shown["texts"]!;
    expect(pages).toBe(7);
    expect(hits.every((hit) => String(hit._highlightResult?.body.value).includes("mark"))).toBe(true);
    expect(hits[0]!.body).toBe(corpus[Number(order[0])]);
    const requests = service.asked.length;
    for (const number of [1, 4]) {
      page.goTo(number);
      await page.settled(() => expect(page.shown["texts"]?.ids).toEqual(order.slice(number * 20, (number + 1) * 20)));
    }
    expect(service.asked.length).toBe(requests);
    page.goTo(5);
    await page.settled(() => expect(page.shown["texts"]?.ids).toEqual(order.slice(100, 120)));
    expect(service.asked.filter(({ query, perPage }) => query !== "" && perPage > 0)).toMatchObject([
      { page: 0, perPage: 100 },
      { page: 5, perPage: 20 },
    ]);
    page.search.dispose();
  });
});

describe("the wrapped client", () => {
  const wrap = (service: SearchService, options: Partial<RerankedClientOptions<Hit>> = {}) => rerankedClient(algolia(service), { reranker: tiny.reranker, text, ...options });
  const ask = async (client: ReturnType<typeof wrap>, ...requests: { indexName: string; params: object }[]) => {
    const { results } = await client.search<Hit>(requests as Parameters<typeof client.search>[0]);
    return results as { hits: Hit[]; nbPages: number; page: number; hitsPerPage: number; facets: object }[];
  };
  const idsOf = ({ hits }: { hits: Hit[] }) => hits.map(({ objectID }) => objectID);

  test("is a client of InstantSearch's types, and keeps what else a client has", () => {
    const client = wrap(SearchService.algolia(corpus));
    const asClient: SearchClient = client;
    expect(asClient).toBe(client);
    client.addAlgoliaAgent("tests");
    expect(client.appId).toBe("application");
  });

  test("ranks each index of a page by itself, asks once for both, and leaves facets as they are", async () => {
    const service = SearchService.algolia(corpus);
    const page = new Page(wrap(service), [connectRefinementList(() => {})({ attribute: "kind", operator: "or" }) as unknown as Widget]);
    const other = index({ indexName: "others" });
    other.addWidgets(page.widgets("others"));
    page.search.addWidgets([other]);
    page.refine(tiny.query);
    const order = await expectedOrder();
    await page.settled(() => expect(Object.values(page.shown).map(({ ids }) => ids)).toEqual([order.slice(0, 20), order.slice(0, 20)]));
    const last = service.asked.at(-1)!.request;
    expect(service.asked.filter(({ request }) => request === last).map(({ index, perPage }) => [index, perPage])).toEqual([
      ["texts", 100],
      ["others", 100],
    ]);
    expect(page.search.mainIndex.getResults()!.disjunctiveFacets).toMatchObject([{ name: "kind", data: { text: corpus.length } }]);
    page.search.dispose();
  });

  test("a query that is typed on ends the ranking of the one before it, whose answer is never shown", async () => {
    const service = SearchService.algolia(corpus);
    const { ranker, calls } = slowFor(tiny.reranker, "water", "water in");
    const page = new Page(wrap(service, { reranker: ranker }));
    const order = await expectedOrder();
    for (const query of ["water", "water in", tiny.query]) {
      page.refine(query);
      await page.settled(() => expect(calls.at(-1)?.query).toBe(query));
    }
    await page.settled(() => expect(page.shown["texts"]?.ids).toEqual(order.slice(0, 20)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(page.orders.filter((ids) => ids.length > 0).map((ids) => ids[0])).toEqual(page.orders.map(() => order[0]));
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
    expect(page.search.status).toBe("idle");
    page.search.dispose();
  });

  test("a query that is typed once more after another gets its order", async () => {
    const client = wrap(SearchService.algolia(corpus), { reranker: slowFor(tiny.reranker, "water").ranker });
    const texts = (query: string) => ask(client, { indexName: "texts", params: { query, hitsPerPage: 20 } });
    const [first, , third] = await Promise.all([texts(tiny.query), texts("water"), texts(tiny.query)]);
    expect(idsOf(third[0]!)).toEqual((await expectedOrder()).slice(0, 20));
    expect(idsOf(first[0]!)).toEqual([...corpus.keys()].slice(0, 20).map(String));
  });

  test("a later page that is asked for meanwhile waits for the same list", async () => {
    const service = SearchService.algolia(corpus);
    const client = wrap(service);
    const pages = await Promise.all([0, 1].map((page) => ask(client, { indexName: "texts", params: { query: tiny.query, page, hitsPerPage: 20 } })));
    expect(pages.flatMap(([result]) => idsOf(result!))).toEqual((await expectedOrder()).slice(0, 40));
    expect(service.asked).toHaveLength(1);
    client.clearCache();
    await ask(client, { indexName: "texts", params: { query: tiny.query, page: 1, hitsPerPage: 20 } });
    expect(service.asked).toHaveLength(2);
  });

  test("asks for whole pages: pages of 30 come from 90, and of 150 from 150", async () => {
    const service = SearchService.algolia(corpus);
    const client = wrap(service);
    for (const [hitsPerPage, page, asked] of [
      [30, 2, { page: 0, perPage: 90 }],
      [30, 3, { page: 3, perPage: 30 }],
      [150, 0, { page: 0, perPage: 150 }],
    ] as const) {
      const [result] = await ask(client, { indexName: "texts", params: { query: tiny.query, page, hitsPerPage } });
      expect(result).toMatchObject({ page, hitsPerPage, nbPages: Math.ceil(corpus.length / hitsPerPage) });
      expect(service.asked.at(-1)).toMatchObject(asked);
    }
  });

  test("takes requests in Algolia's other form, with parameters beside the index", async () => {
    const service = SearchService.algolia(corpus);
    const { results } = await wrap(service).search<Hit>({ requests: [{ indexName: "texts", query: tiny.query, hitsPerPage: 10, page: 1 }] });
    expect(idsOf(results[0] as { hits: Hit[] })).toEqual((await expectedOrder()).slice(10, 20));
    expect(service.asked).toMatchObject([{ query: tiny.query, page: 0, perPage: 100 }]);
  });

  test("counts the pages that a backend gives, which may be fewer than it found", async () => {
    const found = { hits: corpus.slice(0, 100).map((body, number) => ({ objectID: String(number), body })), nbHits: 5_000, nbPages: 10 };
    const client = rerankedClient({ search: async () => ({ results: [found] }) }, { reranker: tiny.reranker, text });
    const [result] = await ask(client as unknown as ReturnType<typeof wrap>, { indexName: "texts", params: { query: tiny.query, hitsPerPage: 20 } });
    expect(result).toMatchObject({ nbHits: 5_000, nbPages: 50 });
  });

  test.each([
    ["without a query", { query: " ", hitsPerPage: 20 }],
    ["of facets alone", { query: tiny.query, hitsPerPage: 0 }],
    ["by an offset", { query: tiny.query, offset: 5, length: 5 }],
  ])("leaves requests alone that are %s", async (_, params) => {
    const service = SearchService.algolia(corpus);
    const [found] = await ask(wrap(service), { indexName: "texts", params });
    const [expected] = await ask(algolia(service), { indexName: "texts", params });
    expect(found).toEqual(expected);
  });

  test("leaves an order that the user asked for, and lists without hits", async () => {
    const client = wrap(SearchService.algolia(corpus), { reranks: ({ indexName }) => !indexName.endsWith("_by_date") });
    const [sorted] = await ask(client, { indexName: "texts_by_date", params: { query: tiny.query, hitsPerPage: 5 } });
    expect(idsOf(sorted!)).toEqual(["0", "1", "2", "3", "4"]);
    const [empty] = await ask(wrap(SearchService.algolia([])), { indexName: "texts", params: { query: tiny.query } });
    expect(empty).toMatchObject({ hits: [], nbPages: 0 });
  });

  test("shows the backend's order where the reranker fails, tells why, and tries again the next time", async () => {
    const errors: unknown[] = [];
    const failing = { model: tiny.reranker.model, rerank: vi.fn(() => Promise.reject(new Error("no model"))) };
    const service = SearchService.algolia(corpus);
    const client = wrap(service, { reranker: failing as unknown as typeof tiny.reranker, onError: (error) => errors.push(error) });
    for (const times of [1, 2]) {
      const [result] = await ask(client, { indexName: "texts", params: { query: tiny.query, hitsPerPage: 3 } });
      expect(idsOf(result!)).toEqual(["0", "1", "2"]);
      expect(errors).toHaveLength(times);
    }
    const broken = rerankedClient({ search: () => Promise.reject(new Error("no backend")) }, { reranker: tiny.reranker, text });
    await expect(ask(broken as unknown as ReturnType<typeof wrap>, { indexName: "texts", params: { query: tiny.query } })).rejects.toThrow("no backend");
  });
});
