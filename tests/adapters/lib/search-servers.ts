/** Servers of the search services, as far as their clients talk to them: every document is found, in the order of the list, a page at a time. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  index: string;
  query: string;
  page: number;
  perPage: number;
  sort?: unknown;
}

export interface Hit {
  objectID: string;
  body: string;
  _highlightResult?: { body: { value: string } };
}

/** A service's words: what a request's body asks for, each search's answer, and the whole. */
interface Dialect {
  searches(body: never): Asked[];
  answer(asked: Asked, hits: Hit[], total: number): object;
  whole(answers: object[]): object;
}

const marked = (body: string) => `<mark>${body.slice(0, 5)}</mark>${body.slice(5)}`;

const ALGOLIA: Dialect = {
  searches: ({ requests }: { requests: { indexName: string; query?: string; params?: { query?: string; page?: number; hitsPerPage?: number } }[] }) =>
    requests.map(({ indexName, params = {}, ...flat }) => {
      const { query = "", page = 0, hitsPerPage = 20 } = { ...flat, ...params } as { query?: string; page?: number; hitsPerPage?: number };
      return { index: indexName, query, page, perPage: hitsPerPage };
    }),
  answer: ({ index, query, page, perPage }, hits, total) => ({
    hits: hits.map((hit) => ({ ...hit, _highlightResult: { body: { value: marked(hit.body), matchLevel: "full", matchedWords: [] } } })),
    nbHits: total,
    page,
    nbPages: perPage === 0 ? 0 : Math.ceil(total / perPage),
    hitsPerPage: perPage,
    index,
    query,
    params: "",
    facets: { kind: { text: total } },
    exhaustiveNbHits: true,
    processingTimeMS: 1,
  }),
  whole: (results) => ({ results }),
};

const TYPESENSE: Dialect = {
  searches: ({ searches }: { searches: { collection: string; q: string; page: number; per_page?: number }[] }) =>
    searches.map(({ collection, q, page, per_page = 10 }) => ({ index: collection, query: q === "*" ? "" : q, page: page - 1, perPage: per_page })),
  answer: ({ index, query, page, perPage }, hits, total) => ({
    facet_counts: [],
    found: total,
    out_of: total,
    page: page + 1,
    request_params: { collection_name: index, per_page: perPage, q: query },
    search_time_ms: 1,
    hits: hits.map(({ objectID, body }) => ({ document: { id: objectID, body }, highlight: { body: { snippet: marked(body), matched_tokens: [] } }, highlights: [], text_match: 1 })),
  }),
  whole: (results) => ({ results }),
};

const MEILISEARCH: Dialect = {
  searches: ({ queries }: { queries: { indexUid: string; q?: string; page: number; hitsPerPage: number }[] }) =>
    queries.map(({ indexUid, q = "", page, hitsPerPage }) => ({ index: indexUid, query: q, page: page - 1, perPage: hitsPerPage })),
  answer: ({ index, query, page, perPage }, hits, total) => ({
    indexUid: index,
    hits: hits.map((hit) => ({ ...hit, _formatted: { ...hit, body: marked(hit.body) } })),
    query,
    processingTimeMs: 1,
    page: page + 1,
    hitsPerPage: perPage,
    totalHits: total,
    totalPages: perPage === 0 ? 0 : Math.ceil(total / perPage),
  }),
  whole: (results) => ({ results }),
};

interface ElasticsearchBody {
  query?: { bool: { must: { bool: { should: { multi_match: { query: string } }[] } }[] } };
  from?: number;
  size?: number;
  sort?: unknown;
}

const ELASTICSEARCH: Dialect = {
  searches: ({ query, from = 0, size = 10, sort }: ElasticsearchBody) => [
    { index: "texts", query: query?.bool.must[0]!.bool.should[0]!.multi_match.query ?? "", page: from / size, perPage: size, sort },
  ],
  answer: (_, hits, total) => ({
    took: 1,
    timed_out: false,
    hits: { total: { value: total, relation: "eq" }, hits: hits.map(({ objectID, body }) => ({ _index: "texts", _id: objectID, _score: 1, _source: { body }, highlight: { body: [marked(body)] } })) },
    aggregations: { facet_bucket_all: { doc_count: total, kind: { buckets: [{ key: "text", doc_count: total }] } } },
  }),
  whole: ([answer]) => answer!,
};

export class SearchService {
  /** Searches that came, each with the number of the request that it came in. */
  readonly asked: (Asked & { request: number })[] = [];
  #requests = 0;
  #server: Server | undefined;

  private constructor(
    readonly dialect: Dialect,
    readonly documents: readonly string[],
  ) {}

  static algolia = (documents: readonly string[]) => new SearchService(ALGOLIA, documents);
  static typesense = (documents: readonly string[]) => new SearchService(TYPESENSE, documents);
  static elasticsearch = (documents: readonly string[]) => new SearchService(ELASTICSEARCH, documents);
  static meilisearch = (documents: readonly string[]) => new SearchService(MEILISEARCH, documents);

  answer(body: string): object {
    const request = this.#requests++;
    const searches = this.dialect.searches(JSON.parse(body) as never);
    this.asked.push(...searches.map((search) => ({ ...search, request })));
    return this.dialect.whole(searches.map((search) => this.dialect.answer(search, this.#page(search), this.documents.length)));
  }

  #page({ page, perPage }: Asked): Hit[] {
    return this.documents.map((body, number) => ({ objectID: String(number), body })).slice(page * perPage, (page + 1) * perPage);
  }

  async listen(): Promise<number> {
    this.#server = createServer(async (request, response) => {
      const chunks = (await request.toArray()) as Buffer[];
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(this.answer(Buffer.concat(chunks).toString())));
    });
    await new Promise<void>((resolve) => this.#server!.listen(0, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server?.close();
  }
}
