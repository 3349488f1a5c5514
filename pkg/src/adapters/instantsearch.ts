/**
 * A search client for InstantSearch that reranks: any client of its form, Algolia's own or the adapters of Typesense and Meilisearch.
 *
 * InstantSearch's own hook, `transformItems`, cannot wait, and sees one page. So the client is wrapped: a search for hits asks for `candidates` of them, which are reranked,
 * and each page is cut from that list, the later ones without another request. Hits come back as they came, highlights included, and so do facets and all other requests.
 */

import { pagesOf, RankedLists, type Search, type SearchOptions, windowOf } from "./shared/ranked-lists.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** What is asked of a client. */
export interface SearchClient {
  search(requests: never, ...more: never[]): PromiseLike<unknown>;
}

/** What is read of a request for hits. */
export interface HitsRequest {
  indexName: string;
  query: string;
  params: Readonly<Record<string, unknown>>;
}

export interface RerankedClientOptions<H> extends SearchOptions<H> {
  /** Hits a page, of requests that do not say; 20. */
  hitsPerPage?: number;
  /** Whether a search is reranked: not where a user has asked for another order, such as a replica that is sorted by price. By default all are that have a query. */
  reranks?: (request: HitsRequest) => boolean;
}

type Request = Readonly<Record<string, unknown>>;

/** What is read of an answer. */
interface Answer<H> {
  hits?: readonly H[];
  nbHits?: number;
  nbPages?: number;
}

interface Plan {
  request: Request;
  /** What it takes the place of; none of requests without hits. */
  channel?: string;
  /** Where it is reranked: the list and the page of it. */
  ranked?: { key: string; query: string; window: number; page: number; hitsPerPage: number };
}

type Sent = (requests: unknown, ...more: unknown[]) => PromiseLike<{ results: unknown[] }>;

/**
 * The client, whose `search` reranks. `clearCache` forgets the lists, as InstantSearch's `refresh` does.
 *
 * Left alone are requests without a query, for facets, with `offset` or with parameters in a string, and pages beyond the candidates.
 *
 * @example
 * import { rerankedClient, type SearchClient } from "tabrank/adapters/instantsearch";
 * const withReranking = (client: SearchClient) => rerankedClient(client, { reranker, text: (hit: { body: string }) => hit.body });
 */
export function rerankedClient<C extends SearchClient, H>(client: C, options: RerankedClientOptions<H>): C {
  const { hitsPerPage: _, reranks: __, ...ranking } = options;
  const lists = new RankedLists<Answer<H>, H>(ranking, ({ hits = [] }) => hits);
  const search = (...call: Parameters<Sent>) => searched(client, call, lists, options);
  const clearCache = () => {
    lists.clear();
    return (client as { clearCache?: () => unknown }).clearCache?.();
  };
  const own: Partial<Record<PropertyKey, unknown>> = { search, clearCache };
  return new Proxy(client, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return own[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function searched<H>(client: SearchClient, [asked, ...more]: Parameters<Sent>, lists: RankedLists<Answer<H>, H>, options: RerankedClientOptions<H>) {
  const send = (client.search as Sent).bind(client);
  const requests = Array.isArray(asked) ? asked : (asked as { requests?: unknown } | undefined)?.requests;
  if (!Array.isArray(requests)) return send(asked, ...more);
  const plans = plansOf(requests as Request[], options);
  const missing = plans.filter(({ ranked }) => !ranked || !lists.has(ranked.key));
  const sent = missing.map(({ request }) => request);
  const answer = sent.length === 0 ? Promise.resolve({ results: [] }) : Promise.resolve(send(Array.isArray(asked) ? sent : { ...(asked as object), requests: sent }, ...more));
  const answers = plans.map((plan) => {
    const ask = () => answer.then(({ results }) => results[missing.indexOf(plan)] as Answer<H>);
    return answerOf(plan, ask, lists);
  });
  const results = await Promise.all(answers);
  return { ...(await answer), results };
}

async function answerOf<H>({ channel, ranked }: Plan, ask: () => Promise<Answer<H>>, lists: RankedLists<Answer<H>, H>): Promise<Answer<H>> {
  if (channel && ranked) return pageOf(await lists.get({ channel, ask, ...ranked } satisfies Search<Answer<H>>), ranked);
  const answer = ask();
  if (channel) lists.pass(channel, answer);
  return answer;
}

function pageOf<H>({ answer, hits }: { answer: Answer<H>; hits: H[] }, { window, page, hitsPerPage }: NonNullable<Plan["ranked"]>): Answer<H> {
  const { nbHits = hits.length, nbPages } = answer;
  const counted = { page, hitsPerPage, nbPages: pagesOf(nbHits, nbPages, window, hitsPerPage) };
  return { ...answer, ...counted, hits: hits.slice(page * hitsPerPage, (page + 1) * hitsPerPage) };
}

/** A channel is an index, or the nth request for one: several lists of a page may come from one. */
function plansOf<H>(requests: readonly Request[], options: RerankedClientOptions<H>): Plan[] {
  const times = new Map<string, number>();
  return requests.map((request) => {
    const hits = hitsRequestOf(request);
    if (!hits || hits.params["hitsPerPage"] === 0) return { request };
    const nth = (times.get(hits.indexName) ?? 0) + 1;
    times.set(hits.indexName, nth);
    return { channel: `${hits.indexName} ${nth}`, ...rankedPlan(request, hits, options) };
  });
}

/** Parameters are under `params`, or beside the name of the index. */
function hitsRequestOf(request: Request): HitsRequest | undefined {
  const { indexName, type, params: own, ...flat } = request;
  if (typeof indexName !== "string" || type === "facet" || typeof own === "string") return undefined;
  const params = { ...flat, ...(own as object | undefined) };
  const query: unknown = (params as { query?: unknown }).query;
  return { indexName, query: typeof query === "string" ? query : "", params };
}

function rankedPlan<H>(request: Request, hits: HitsRequest, options: RerankedClientOptions<H>): Pick<Plan, "request" | "ranked"> {
  const { page: given, hitsPerPage: perPage, ...rest } = hits.params;
  const hitsPerPage = (perPage as number | undefined) ?? options.hitsPerPage ?? 20;
  const page = (given as number | undefined) ?? 0;
  const window = windowOf(options.candidates, hitsPerPage);
  const isOwn = hits.query.trim() === "" || rest["offset"] !== undefined || rest["length"] !== undefined || page * hitsPerPage >= window;
  if (isOwn || !(options.reranks ?? (() => true))(hits)) return { request };
  const key = JSON.stringify([hits.indexName, window, rest]);
  return { request: withParams(request, { page: 0, hitsPerPage: window }), ranked: { key, query: hits.query, window, page, hitsPerPage } };
}

function withParams(request: Request, params: object): Request {
  return request["params"] ? { ...request, params: { ...(request["params"] as object), ...params } } : { ...request, ...params };
}
