/** What the backends' own clients make of an answer: their code runs, and the compiler holds their types against what is read. */

import { Client as Elasticsearch, type estypes } from "@elastic/elasticsearch";
import { Client as OpenSearch } from "@opensearch-project/opensearch";
import { create, insertMultiple, search } from "@orama/orama";
import { Pinecone } from "@pinecone-database/pinecone";
import { QdrantClient } from "@qdrant/js-client-rest";
import { algoliasearch } from "algoliasearch";
import { ChromaClient } from "chromadb";
import { Meilisearch } from "meilisearch";
import { fromAlgolia } from "tabrank/candidates/algolia";
import { fromChroma } from "tabrank/candidates/chroma";
import { fromElasticsearch } from "tabrank/candidates/elasticsearch";
import { fromMeilisearch } from "tabrank/candidates/meilisearch";
import { fromOpenSearch } from "tabrank/candidates/opensearch";
import { type Candidates, fromOrama } from "tabrank/candidates/orama";
import { fromPinecone } from "tabrank/candidates/pinecone";
import { fromQdrant } from "tabrank/candidates/qdrant";
import { fromTypesense } from "tabrank/candidates/typesense";
import { Client as Typesense } from "typesense";
import { describe, expect, test } from "vitest";
import { backend, recorded } from "./lib/server.js";
import { TEXTS } from "./lib/texts.js";

interface Article {
  text: string;
}

describe("Qdrant", () => {
  const server = backend([["/collections/articles/points/query", recorded("qdrant")]]);

  test("points of query, with their multivectors", async () => {
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const answer = await client.query("articles", { query: [0.1, 0.2], using: "dense", with_payload: true, with_vector: true });
    const { hits, options, score, response } = fromQdrant(answer, { text: ({ payload }) => payload?.["text"] as string });
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(score)).toEqual([0.91, 0.82, 0.4]);
    expect(hits.map(options.embeddings)).toEqual(hits.map(({ vector }) => (vector as { colbert: number[][] }).colbert));
    const versions: number[] = response([{ document: hits[2]! }]).points.map(({ version }) => version);
    expect(versions).toEqual([3]);
    expect(hits[0]).toBe(answer.points[0]);
  });
});

describe("Elasticsearch", () => {
  const server = backend([["/articles/_search", recorded("elasticsearch")]]);

  test("hits of search, with highlights and aggregations", async () => {
    const client = new Elasticsearch({ node: server.url });
    const answer = await client.search<Article>({ index: "articles", query: { match: { text: "faust" } } });
    const { hits, options, score, response } = fromElasticsearch(answer, { vector: "colbert" });
    const typed: estypes.SearchHit<Article>[] = hits;
    expect(typed.map(options.text)).toEqual(TEXTS);
    expect(hits.map(score)).toEqual([7.25, 3.5, 1.125]);
    const reordered: estypes.SearchResponse<Article> = response([{ document: hits[1]! }, { document: hits[0]! }]);
    expect(reordered.hits.hits[0]!.highlight).toEqual({ text: ["<em>hit</em>"] });
    expect(reordered.aggregations).toEqual(answer.aggregations);
    expect(reordered.hits.total).toEqual({ value: 3, relation: "eq" });
  });
});

describe("OpenSearch", () => {
  const server = backend([["/articles/_search", recorded("opensearch")]]);

  test("hits of search, which its client gives under body", async () => {
    const client = new OpenSearch({ node: server.url });
    const answer = await client.search({ index: "articles", body: { query: { match: { text: "faust" } } } });
    const { hits, options, score, response } = fromOpenSearch(answer);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(["a", "b", "c"]);
    expect(hits.map(score)).toEqual([7.25, 3.5, 1.125]);
    expect(response([{ document: hits[2]! }]).body.hits.hits.map(({ _id }) => _id)).toEqual(["c"]);
    expect(fromOpenSearch(answer.body).hits[0]).toBe(hits[0]);
  });
});

describe("Chroma", () => {
  const collection = { id: "5c56c793-69f3-4fbf-87e6-c4bf54c28c26", name: "articles", metadata: null, configuration_json: {}, dimension: 2, tenant: "default_tenant", database: "default_database" };
  const server = backend([
    ["/query", recorded("chroma")],
    ["/collections/articles", collection],
    ["/auth/identity", { user_id: "", tenant: "default_tenant", databases: ["default_database"] }],
  ]);

  test("columns of query", async () => {
    const client = new ChromaClient({ host: "127.0.0.1", port: server.port, ssl: false });
    const articles = await client.getCollection({ name: "articles", embeddingFunction: { generate: async () => [[1, 0]] } });
    const answer = await articles.query<{ year: number }>({ queryEmbeddings: [[1, 0]], nResults: 3 });
    const { hits, options, score, response } = fromChroma(answer);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(score)).toEqual([-0.09, -0.18, -0.6]);
    const years: (number | undefined)[] = hits.map(({ metadata }) => metadata?.year);
    expect(years).toEqual([1808, undefined, 1859]);
    const rows = response([{ document: hits[2]! }, { document: hits[0]! }]).rows();
    expect(rows[0]!.map(({ id, distance }) => [id, distance])).toEqual([
      ["c", 0.6],
      ["a", 0.09],
    ]);
  });
});

describe("Typesense", () => {
  const answer = recorded("typesense");
  const server = backend([
    ["/documents/search", answer],
    ["/multi_search", { results: [answer] }],
  ]);

  test("hits of search, and of one of several", async () => {
    const client = new Typesense({ nodes: [{ host: "127.0.0.1", port: server.port, protocol: "http" }], apiKey: "key" });
    const answered = await client.collections<Article>("articles").documents().search({ q: "faust", query_by: "text" });
    const { hits, options, score, response } = fromTypesense(answered);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(["a", "b", "c"]);
    expect(hits.map(score)).toEqual(answered.hits!.map(({ text_match }) => text_match));
    expect(response([{ document: hits[1]! }])).toEqual({ ...answered, hits: [answered.hits![1]] });
    const several = await client.multiSearch.perform<[Article]>({ searches: [{ collection: "articles", q: "faust", query_by: "text" }] });
    expect(() => fromTypesense(several as never)).toThrow("response.hits is missing; expected an array");
    expect(fromTypesense(several.results[0]).hits).toHaveLength(3);
  });
});

describe("Meilisearch", () => {
  const server = backend([["/indexes/articles/search", recorded("meilisearch")]]);

  test("hits of search, with what is formatted and the facets", async () => {
    const client = new Meilisearch({ host: server.url });
    const answer = await client.index<Article & { id: number }>("articles").search("faust", { showRankingScore: true });
    const { hits, options, score, response } = fromMeilisearch(answer, { text: (hit) => hit.text });
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual([1, 2, 3]);
    expect(hits.map(score)).toEqual([0.91, 0.82, 0.4]);
    const reordered = response([{ document: hits[2]! }]);
    expect(reordered.hits[0]!._formatted!.text).toBe("<em>hit</em>");
    expect(reordered.facetDistribution).toEqual({ year: { 1808: 2 } });
  });
});

describe("Algolia", () => {
  const answer = recorded("algolia") as { results: unknown[] };
  const server = backend([
    ["/articles/query", answer.results[0]],
    ["/queries", answer],
  ]);

  test("hits of one index, and of one of several searches", async () => {
    const client = algoliasearch("app", "key", { hosts: [{ url: `127.0.0.1:${server.port}`, protocol: "http", accept: "readWrite" }] });
    const single = await client.searchSingleIndex<Article>({ indexName: "articles", searchParams: { query: "faust" } });
    const { hits, options, score, response } = fromAlgolia(single);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(["a", "b", "c"]);
    expect(hits.map(score)).toEqual([undefined, undefined, undefined]);
    const highlights = response([{ document: hits[0]! }]).hits.map(({ _highlightResult }) => _highlightResult);
    expect(highlights).toEqual([single.hits[0]!._highlightResult]);
    const { results } = await client.searchForHits<Article>({ requests: [{ indexName: "articles", query: "faust" }] });
    expect(fromAlgolia(results[0]!).hits).toHaveLength(3);
  });
});

describe("Pinecone", () => {
  const hits = TEXTS.map((text, place) => ({ _id: ["a", "b", "c"][place], _score: [0.91, 0.82, 0.4][place], fields: { text } }));
  const server = backend([
    ["/query", recorded("pinecone")],
    ["/records/namespaces/articles/search", { result: { hits }, usage: { read_units: 6 } }],
  ]);
  const articles = () => new Pinecone({ apiKey: "key" }).index<{ text: string; year: number }>({ host: server.url, namespace: "articles" });

  test("matches of query", async () => {
    const answer = await articles().query({ vector: [0.1, 0.2], topK: 3, includeMetadata: true });
    const { hits, options, score, response } = fromPinecone(answer);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(["a", "b", "c"]);
    expect(hits.map(score)).toEqual([0.91, 0.82, 0.4]);
    const years: (number | undefined)[] = response([{ document: hits[2]! }]).matches.map(({ metadata }) => metadata?.year);
    expect(years).toEqual([1810]);
    expect(fromPinecone(answer, { distances: true }).score(hits[0]!)).toBe(-0.91);
  });

  test("hits of searchRecords", async () => {
    const answer = await articles().searchRecords({ query: { topK: 3, inputs: { text: "faust" } } });
    const { hits, options, score, response } = fromPinecone(answer);
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(["a", "b", "c"]);
    expect(hits.map(score)).toEqual([0.91, 0.82, 0.4]);
    expect(response([{ document: hits[1]! }]).result.hits).toEqual([hits[1]]);
  });
});

test("Orama: hits of search, with facets", async () => {
  const orama = create({ schema: { text: "string" } as const });
  await insertMultiple(orama, TEXTS.map((text) => ({ text })));
  const answer = await search(orama, { term: "Faust", facets: { text: { limit: 2 } } });
  const found: Candidates<(typeof answer.hits)[0], typeof answer> = fromOrama(answer, { text: ({ document }) => document.text });
  const { hits, options, score, response } = found;
  expect(hits.map(options.text).sort()).toEqual([TEXTS[2], TEXTS[0]]);
  expect(hits.map(score)).toEqual(answer.hits.map((hit) => hit.score));
  expect(response([{ document: hits[1]! }])).toEqual({ ...answer, hits: [answer.hits[1]] });
});
