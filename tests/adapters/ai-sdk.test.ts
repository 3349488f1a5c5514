import { APICallError, type RerankingModelV4 } from "@ai-sdk/provider";
import { rerank, RetryError, type RerankingModel } from "ai";
import { RerankerError } from "tabrank";
import { rerankingModel } from "tabrank/adapters/ai-sdk";
import { expect, test } from "vitest";
import { expectNear, REASON, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const best = () => tiny.order.slice(0, 3);

test("is a model of the AI SDK's types", () => {
  const model: RerankingModelV4 & RerankingModel = rerankingModel(tiny.reranker);
  expect(model).toMatchObject({ specificationVersion: "v4", provider: "tabrank", modelId: "reranker" });
});

test("texts come back in the reference's order, with relevances", async () => {
  const model = rerankingModel(tiny.reranker, { modelId: "tiny" });
  const { ranking, rerankedDocuments, response } = await rerank({ model, query: tiny.query, documents: tiny.documents, topN: 3 });
  expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(best());
  expectNear(ranking.map(({ score }) => score), best().map((index) => tiny.relevance[index]!));
  expect(rerankedDocuments).toEqual(best().map((index) => tiny.documents[index]));
  expect(response.modelId).toBe("tiny");
});

test("objects come back themselves, read by their text, by an accessor or by all their strings", async () => {
  const query = tiny.query;
  const hits = tiny.documents.map((text, id) => ({ id, text, other: "an oven" }));
  const bodies = tiny.documents.map((body, id) => ({ id, nested: { body } }));
  const byBody = rerankingModel(tiny.reranker, { text: (document) => (document as (typeof bodies)[0]).nested.body });
  for (const { model, documents } of [
    { model: rerankingModel(tiny.reranker), documents: hits },
    { model: byBody, documents: bodies },
    { model: rerankingModel(tiny.reranker), documents: bodies },
  ]) {
    const { rerankedDocuments } = await rerank({ model, query, documents: documents as { id: number }[] });
    expect(rerankedDocuments.map(({ id }) => id)).toEqual(tiny.order);
    expect(documents).toContain(rerankedDocuments[0]);
  }
});

test("a promise of a reranker will do, and topN may be more than there is", async () => {
  const { ranking } = await rerank({ model: rerankingModel(Promise.resolve(tiny.reranker)), query: tiny.query, documents: tiny.documents, topN: 1000 });
  expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(tiny.order);
});

test("an empty list is an empty ranking, also where the model is asked itself", async () => {
  const model = rerankingModel(tiny.reranker);
  expect((await rerank({ model, query: tiny.query, documents: [] })).ranking).toEqual([]);
  expect((await model.doRerank({ query: tiny.query, documents: { type: "text", values: [] } })).ranking).toEqual([]);
});

test("documents without a text are last, with the relevance 0, and the same text twice keeps its order", async () => {
  const [first, second] = best().map((index) => tiny.documents[index]!) as [string, string];
  const { ranking } = await rerank({ model: rerankingModel(tiny.reranker), query: tiny.query, documents: ["", second, " ", first, first] });
  expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual([3, 4, 1, 0, 2]);
  expect(ranking.slice(3).map(({ score }) => score)).toEqual([0, 0]);
});

test("what a call ends with before it began, and while it runs, is the signal's reason", async () => {
  const controller = new AbortController();
  const model = rerankingModel(tiny.reranker, { onProgress: () => controller.abort(REASON) });
  const call = { model, query: tiny.query, documents: Array.from({ length: 200 }, (_, index) => `${tiny.documents[4]} ${index}`) };
  await expect(rerank({ ...call, abortSignal: AbortSignal.abort(REASON) })).rejects.toBe(REASON);
  await expect(rerank({ ...call, abortSignal: controller.signal })).rejects.toBe(REASON);
  const waiting = new AbortController();
  const forever = rerank({ ...call, model: rerankingModel(new Promise<never>(() => {})), abortSignal: waiting.signal });
  setTimeout(() => waiting.abort(REASON), 10);
  await expect(forever).rejects.toBe(REASON);
});

test("errors are the AI SDK's too: what may be tried again is, what may not fails at once, and none holds a text", async () => {
  const canary = "canary-word";
  const failing = (code: "BUSY" | "INVALID_INPUT") => {
    const calls: string[] = [];
    const ranker = { model: tiny.reranker.model, rerank: (query: string) => (calls.push(query), Promise.reject(new RerankerError({ code, message: "as it was made" }))) };
    return { calls, model: rerankingModel(ranker as unknown as typeof tiny.reranker) };
  };
  const busy = failing("BUSY");
  const twice = await rerank({ model: busy.model, query: canary, documents: [canary], maxRetries: 1 }).catch((error: unknown) => error);
  expect(RetryError.isInstance(twice)).toBe(true);
  expect(busy.calls).toHaveLength(2);
  const once = failing("INVALID_INPUT");
  const error = await rerank({ model: once.model, query: canary, documents: [canary] }).catch((error: unknown) => error);
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toBeInstanceOf(RerankerError);
  expect(once.calls).toHaveLength(1);
  const throws = rerankingModel(tiny.reranker, { text: (document) => { throw new Error(`no field in ${document}`); } });
  for (const call of [{ model: throws, query: canary }, { model: rerankingModel(tiny.reranker), query: " " }]) {
    const refused = await rerank({ ...call, documents: [canary] }).catch((error: Error) => error);
    expect(refused).toBeInstanceOf(RerankerError);
    expect((refused as Error).message).not.toContain(canary);
  }
});
