import { ContextualCompressionRetriever } from "@langchain/classic/retrievers/contextual_compression";
import { Document } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import { RerankerCompressor } from "tabrank/adapters/langchain";
import { expect, test } from "vitest";
import { expectNear, REASON, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();

class Everything extends BaseRetriever {
  lc_namespace = ["tests"];
  constructor(readonly documents: Document[]) {
    super();
  }
  override async _getRelevantDocuments() {
    return this.documents;
  }
}

const documentsOf = (texts: string[]) => texts.map((pageContent, number) => new Document({ id: "the same", pageContent, metadata: { number } }));
const retrieverOf = (documents: Document[], baseCompressor: BaseDocumentCompressor) => new ContextualCompressionRetriever({ baseCompressor, baseRetriever: new Everything(documents) });

test("a ContextualCompressionRetriever gives the best documents, with their relevance in the metadata", async () => {
  const documents = documentsOf(tiny.documents);
  const compressor: BaseDocumentCompressor = new RerankerCompressor({ reranker: tiny.reranker, topN: 3 });
  expect(BaseDocumentCompressor.isBaseDocumentCompressor(compressor)).toBe(true);
  const found = await retrieverOf(documents, compressor).invoke(tiny.query);
  const best = tiny.order.slice(0, 3);
  expect(found.map(({ metadata }) => metadata["number"])).toEqual(best);
  expectNear(found.map(({ metadata }) => metadata["relevanceScore"]), best.map((index) => tiny.relevance[index]!));
  expect(found.every((document) => document instanceof Document && document.id === "the same")).toBe(true);
  expect(documents.every(({ metadata }) => !("relevanceScore" in metadata))).toBe(true);
});

test("what rerank takes can be said: stages, a text of one's own, topN beyond the list", async () => {
  const text = ({ metadata }: { metadata: Record<string, unknown> }) => tiny.documents[metadata["number"] as number]!;
  const compressor = new RerankerCompressor({ reranker: tiny.reranker, text, topN: 100, stages: [{ use: "dense", keep: 5 }, { use: "late" }] });
  const found = await retrieverOf(documentsOf(tiny.documents.map(() => "")), compressor).invoke(tiny.query);
  expect(found).toHaveLength(5);
  const places = found.map(({ metadata }) => tiny.order.indexOf(metadata["number"] as number));
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

test("no documents stay none, and those without a text are last", async () => {
  const compressor = new RerankerCompressor({ reranker: tiny.reranker });
  expect(await retrieverOf([], compressor).invoke(tiny.query)).toEqual([]);
  const found = await retrieverOf(documentsOf(["", "water", "\n"]), compressor).invoke(tiny.query);
  expect(found.map(({ metadata }) => metadata["number"])).toEqual([1, 0, 2]);
});

test("a signal ends it, and an error is the package's", async () => {
  const documents = documentsOf(tiny.documents);
  const aborted = new RerankerCompressor({ reranker: tiny.reranker, signal: AbortSignal.abort(REASON) });
  await expect(retrieverOf(documents, aborted).invoke(tiny.query)).rejects.toBe(REASON);
  const compressor = new RerankerCompressor({ reranker: tiny.reranker, topN: 0 });
  await expect(retrieverOf(documents, compressor).invoke(tiny.query)).rejects.toMatchObject({ name: "RerankerError", code: "INVALID_INPUT" });
});
