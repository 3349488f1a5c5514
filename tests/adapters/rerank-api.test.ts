import { CohereClient, CohereClientV2, CohereError, CohereTimeoutError } from "cohere-ai";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { RerankerError } from "tabrank";
import { rerankFetch } from "tabrank/adapters/rerank-api";
import { afterEach, describe, expect, test } from "vitest";
import { VoyageAIClient, VoyageAIError } from "voyageai";
import { expectNear, REASON, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const best = () => tiny.order.slice(0, 3);
const expected = () => best().map((index) => tiny.relevance[index]!);

describe("Cohere's client", () => {
  const clientOf = (fetch: typeof globalThis.fetch) => new CohereClientV2({ token: "any", fetch, maxRetries: 0 });

  test("gets the reference's order", async () => {
    const answer = await clientOf(rerankFetch(tiny.reranker)).rerank({ model: "rerank-v3.5", query: tiny.query, documents: tiny.documents, topN: 3 });
    expect(answer.results.map(({ index }) => index)).toEqual(best());
    expectNear(answer.results.map(({ relevanceScore }) => relevanceScore), expected());
    expect(answer.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.meta).toEqual({ apiVersion: { version: "2" }, billedUnits: { searchUnits: 0 } });
  });

  test("gets its own kind of error for what is wrong, with the field's name", async () => {
    const client = clientOf(rerankFetch(tiny.reranker));
    for (const [call, message] of [
      [{ query: tiny.query, documents: [] }, /^INVALID_INPUT: documents is no list, or an empty one$/],
      [{ query: tiny.query, documents: ["a"], topN: 0 }, /^INVALID_INPUT: top_n is no positive integer$/],
      [{ query: " ", documents: ["a"] }, /^INVALID_INPUT: query is empty$/],
    ] as const) {
      const error = await client.rerank({ model: "any", ...call, documents: [...call.documents] }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(CohereError);
      expect(error).toMatchObject({ statusCode: 400, body: { message: expect.stringMatching(message) as string } });
    }
  });

  test("of the first version gets the same order, and documents where it asks for them", async () => {
    const client = new CohereClient({ token: "any", fetch: rerankFetch(tiny.reranker), maxRetries: 0 });
    const answer = await client.rerank({ query: tiny.query, documents: tiny.documents.map((text) => ({ text })), topN: 3, returnDocuments: true });
    expect(answer.results.map(({ index, document }) => [index, document?.text])).toEqual(best().map((index) => [index, tiny.documents[index]]));
    expectNear(answer.results.map(({ relevanceScore }) => relevanceScore), expected());
    expect(answer.meta).toEqual({ apiVersion: { version: "1" }, billedUnits: { searchUnits: 0 } });
    const plain = await client.rerank({ query: tiny.query, documents: tiny.documents });
    expect(plain.results.some((result) => "document" in result)).toBe(false);
    const error = await client.rerank({ query: tiny.query, documents: [{ title: "a" }], rankFields: ["title"] }).catch((error: unknown) => error);
    expect(error).toMatchObject({ statusCode: 400, body: { message: expect.stringContaining("rank_fields") as string } });
  });

  test("rejects with the signal's reason, whatever else is wrong, as fetch does", async () => {
    const request = rerankFetch(tiny.reranker)("https://api.cohere.com/v2/rerank", { method: "POST", body: "{", signal: AbortSignal.abort(REASON) });
    await expect(request).rejects.toBe(REASON);
  });

  test("aborts a call that runs", async () => {
    const controller = new AbortController();
    const client = clientOf(rerankFetch(tiny.reranker, { onProgress: () => controller.abort(REASON) }));
    const documents = Array.from({ length: 200 }, (_, index) => `${tiny.documents[4]} ${index}`);
    const error = await client.rerank({ model: "any", query: tiny.query, documents }, { abortSignal: controller.signal }).catch((error: unknown) => error);
    expect(error).not.toBeInstanceOf(CohereTimeoutError);
    expect(error).toBeInstanceOf(Error);
    expect(String((error as Error).message)).toContain("abort");
  });
});

describe("Voyage's client", () => {
  const clientOf = (fetch: typeof globalThis.fetch, baseUrl?: string) => new VoyageAIClient({ apiKey: "any", fetch, maxRetries: 0, ...(baseUrl && { baseUrl }) });

  test("gets the reference's order, with documents where it asks for them", async () => {
    const call = { model: "rerank-2.5", query: tiny.query, documents: tiny.documents, topK: 3 };
    const client = clientOf(rerankFetch(tiny.reranker));
    const answer = await client.rerank(call);
    expect(answer.data!.map(({ index }) => index)).toEqual(best());
    expectNear(answer.data!.map(({ relevanceScore }) => relevanceScore), expected());
    expect(answer.data!.every((item) => !("document" in item))).toBe(true);
    expect(answer).toMatchObject({ object: "list", model: "rerank-2.5", usage: { totalTokens: 0 } });
    const { data } = await client.rerank({ ...call, returnDocuments: true });
    expect(data!.map(({ document }) => document)).toEqual(best().map((index) => tiny.documents[index]));
  });

  test("is served at any address that names Voyage, and gets its own kind of error", async () => {
    const client = clientOf(rerankFetch(tiny.reranker), "https://localhost/voyage/v1");
    expect((await client.rerank({ model: "any", query: tiny.query, documents: ["water"], topK: 9 })).data).toHaveLength(1);
    const error = await client.rerank({ model: "any", query: tiny.query, documents: ["a"], topK: -1 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(VoyageAIError);
    expect(error).toMatchObject({ statusCode: 400, body: { detail: "INVALID_INPUT: top_k is no positive integer" } });
  });
});

describe("Jina's requests", () => {
  const ask = async (body: object, fetch = rerankFetch(tiny.reranker)) => {
    const response = await fetch("https://api.jina.ai/v1/rerank", { method: "POST", headers: { authorization: "Bearer any" }, body: JSON.stringify({ model: "jina-reranker-v3", ...body }) });
    return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
  };

  test("get the reference's order and the documents", async () => {
    const { status, answer } = await ask({ query: tiny.query, documents: tiny.documents, top_n: 3 });
    expect(status).toBe(200);
    const results = answer["results"] as { index: number; relevance_score: number; document: { text: string } }[];
    expect(results.map(({ index }) => index)).toEqual(best());
    expectNear(results.map(({ relevance_score }) => relevance_score), expected());
    expect(results.map(({ document }) => document.text)).toEqual(best().map((index) => tiny.documents[index]));
    expect(answer).toMatchObject({ model: "jina-reranker-v3", usage: { total_tokens: 0 } });
  });

  test("may hold texts in objects, the same ones twice and empty ones, and ask for no documents", async () => {
    const documents = [{ text: "" }, { text: "water" }, "water"];
    const { answer } = await ask({ query: tiny.query, documents, return_documents: false, top_n: 100 });
    expect(answer["results"]).toMatchObject([{ index: 1 }, { index: 2 }, { index: 0, relevance_score: 0 }]);
    expect(JSON.stringify(answer)).not.toContain("document");
  });

  test.each([
    [{ documents: ["a"] }, 400, "INVALID_INPUT: query is missing"],
    [{ query: "q", documents: ["a", 5] }, 400, "INVALID_INPUT: documents[1] is no string"],
    [{ query: "q", documents: [{ image: "canary-word" }] }, 400, "INVALID_INPUT: documents[0] is missing"],
    [{ query: "q", documents: "canary-word" }, 400, "INVALID_INPUT: documents is no list, or an empty one"],
    [{ query: "q", documents: ["a"], model: 7 }, 400, "INVALID_INPUT: model is no string"],
  ])("with %j are refused", async (body, status, detail) => {
    expect(await ask(body)).toEqual({ status, answer: { detail } });
  });

  test("tell by the status whether to try again, and never what was thrown by strangers", async () => {
    for (const [thrown, status, detail] of [
      [new RerankerError({ code: "BUSY", message: "m" }), 429, "BUSY: m"],
      [new RerankerError({ code: "DEVICE_LOST", message: "m" }), 503, "DEVICE_LOST: m"],
      [new RerankerError({ code: "DISPOSED", message: "m" }), 500, "DISPOSED: m"],
      [new Error("canary-word"), 500, "the reranker failed"],
    ] as const) {
      const ranker = { model: tiny.reranker.model, rerank: () => Promise.reject(thrown) };
      expect(await ask({ query: "q", documents: ["a"] }, rerankFetch(ranker as unknown as typeof tiny.reranker))).toEqual({ status, answer: { detail } });
    }
  });
});

test("what is no rerank request gets 404, or goes where the caller says", async () => {
  const elsewhere = ["https://api.jina.ai/v1/embeddings", { method: "POST", body: "{}" }] as const;
  expect((await rerankFetch(tiny.reranker)(...elsewhere)).status).toBe(404);
  const asked: unknown[] = [];
  const otherwise = (async (...call: unknown[]) => (asked.push(call), new Response("other"))) as typeof fetch;
  expect(await (await rerankFetch(tiny.reranker, { otherwise })(...elsewhere)).text()).toBe("other");
  expect(asked).toEqual([[...elsewhere]]);
  const unread = new Request(...elsewhere);
  await rerankFetch(tiny.reranker, { otherwise })(unread);
  expect(unread.bodyUsed).toBe(false);
  expect((await rerankFetch(tiny.reranker)("https://api.jina.ai/v1/rerank")).status).toBe(400);
  expect((await rerankFetch(tiny.reranker)("https://api.jina.ai/v1/rerank", { method: "POST", body: "{" })).status).toBe(400);
});

describe("as a server's handler", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  test("clients change nothing but the address", async () => {
    const handler = rerankFetch(tiny.reranker);
    server = createServer(async (incoming, outgoing) => {
      const chunks = await incoming.toArray();
      const response = await handler(`http://localhost${incoming.url}`, { method: "POST", body: Buffer.concat(chunks as Buffer[]) });
      outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
    }).listen(0);
    const baseUrl = `http://localhost:${(server.address() as AddressInfo).port}`;
    const { results } = await new CohereClientV2({ token: "any", baseUrl }).rerank({ model: "any", query: tiny.query, documents: tiny.documents, topN: 3 });
    expect(results.map(({ index }) => index)).toEqual(best());
    const { data } = await new VoyageAIClient({ apiKey: "any", baseUrl: `${baseUrl}/voyage/v1` }).rerank({ model: "any", query: tiny.query, documents: tiny.documents, topK: 3 });
    expect(data!.map(({ index }) => index)).toEqual(best());
  });
});
