import type { LLM } from "@llamaindex/core/llms";
import type { BaseNodePostprocessor } from "@llamaindex/core/postprocessor";
import { RetrieverQueryEngine } from "@llamaindex/core/query-engine";
import { BaseSynthesizer } from "@llamaindex/core/response-synthesizers";
import { BaseRetriever } from "@llamaindex/core/retriever";
import { EngineResponse, type NodeWithScore, TextNode } from "@llamaindex/core/schema";
import { RerankerPostprocessor } from "tabrank/adapters/llamaindex";
import { expect, test } from "vitest";
import { expectNear, REASON, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();

class Everything extends BaseRetriever {
  constructor(readonly nodes: NodeWithScore[]) {
    super();
  }
  override async _retrieve() {
    return this.nodes;
  }
}

/** Its answer names its sources, and no language model is asked. */
class Sources extends BaseSynthesizer {
  constructor() {
    super({ llm: { metadata: { contextWindow: 1000 } } as LLM });
  }
  override async getResponse(_query: unknown, nodes: NodeWithScore[]) {
    return EngineResponse.fromResponse("", false, nodes);
  }
  protected override _getPrompts() {
    return {};
  }
  protected override _updatePrompts() {}
  protected override _getPromptModules() {
    return {};
  }
}

const nodesOf = (texts: string[], metadata = {}) => texts.map((text, number) => ({ node: new TextNode({ text, id_: String(number), metadata }), score: 0.5 }));
const engineOf = (nodes: NodeWithScore[], postprocessor: BaseNodePostprocessor) => new RetrieverQueryEngine(new Everything(nodes), new Sources(), [postprocessor]);
const numbers = (nodes: NodeWithScore[] | undefined) => nodes?.map(({ node }) => Number(node.id_));

test("a query engine's answer rests on the best nodes, whose score is their relevance", async () => {
  const nodes = nodesOf(tiny.documents);
  const postprocessor: BaseNodePostprocessor = new RerankerPostprocessor({ reranker: tiny.reranker, topN: 3 });
  const { sourceNodes } = await engineOf(nodes, postprocessor).query({ query: tiny.query });
  const best = tiny.order.slice(0, 3);
  expect(numbers(sourceNodes)).toEqual(best);
  expectNear(sourceNodes!.map(({ score }) => score), best.map((index) => tiny.relevance[index]!));
  expect(sourceNodes![0]!.node).toBe(nodes[best[0]!]!.node);
  expect(nodes.every(({ score }) => score === 0.5)).toBe(true);
});

test("the text parts of a query with images count", async () => {
  const engine = engineOf(nodesOf(tiny.documents), new RerankerPostprocessor({ reranker: tiny.reranker }));
  const query = [{ type: "image_url" as const, image_url: { url: "data:," } }, { type: "text" as const, text: tiny.query }];
  expect(numbers(await engine.retrieve({ query }))).toEqual(tiny.order);
});

test("metadata stand before the text as the mode says", async () => {
  const nodes = nodesOf(tiny.documents, { path: "far away" });
  const retrieve = (metadataMode: "NONE" | "EMBED") => engineOf(nodes, new RerankerPostprocessor({ reranker: tiny.reranker, metadataMode })).retrieve(tiny.query);
  const [plain, embedded] = await Promise.all([retrieve("NONE"), retrieve("EMBED")]);
  expect(numbers(plain)).toEqual(tiny.order);
  const { results } = await tiny.reranker.rerank(tiny.query, tiny.documents.map((text) => `path: far away\n\n${text}`));
  expect(numbers(embedded)).toEqual(results.map(({ index }) => index));
});

test("no nodes stay none, those without a text are last, and topN may be more than there is", async () => {
  const postprocessor = new RerankerPostprocessor({ reranker: tiny.reranker, topN: 9 });
  expect(await engineOf([], postprocessor).retrieve(tiny.query)).toEqual([]);
  expect(numbers(await engineOf(nodesOf(["", "water", " "]), postprocessor).retrieve(tiny.query))).toEqual([1, 0, 2]);
});

test("it needs a query, and a signal ends it", async () => {
  await expect(new RerankerPostprocessor({ reranker: tiny.reranker }).postprocessNodes(nodesOf(["water"]))).rejects.toMatchObject({ code: "INVALID_INPUT" });
  const aborted = new RerankerPostprocessor({ reranker: tiny.reranker, signal: AbortSignal.abort(REASON) });
  await expect(engineOf(nodesOf(["water"]), aborted).retrieve(tiny.query)).rejects.toBe(REASON);
});
