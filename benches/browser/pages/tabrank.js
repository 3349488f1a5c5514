// Tabrank, as any page would use it; the package makes its own worker.
import { Reranker } from "/tabrank/index.js";

export async function create({ model, device }) {
  const reranker = await Reranker.load(new URL(model, location.href), { device });
  if (reranker.device !== device) throw new Error(`runs on ${reranker.device}: ${warningsOf(reranker)}`);
  return {
    facts: { device: reranker.device, warnings: reranker.warnings.map(({ code }) => code) },
    encodeQuery: (query) => reranker.encodeQuery(query),
    encodeDocuments: (documents) => reranker.encodeDocuments(documents),
    async rerank(query, documents) {
      const { results, timings } = await reranker.rerank(query, documents);
      return { order: results.map(({ index }) => index), scores: results.map(({ score }) => score), timings };
    },
  };
}

function warningsOf(reranker) {
  return reranker.warnings.map(({ code, message }) => `${code} ${message}`).join("; ");
}
