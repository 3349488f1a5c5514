// Tabrank, as any page would use it; the package makes its own worker, except where its calls to WebGPU are counted.

/** `root`: where the built package is. */
export async function create({ root, model, device, dtype, simd, workers }) {
  const { Reranker } = await import(`${root}index.js`);
  const worker = device === "webgpu" && { workerUrl: "/bench/tabrank-worker.js" };
  const reranker = await Reranker.load(new URL(model, location.href), { device, simd, workers, ...worker });
  const info = { device: reranker.device, dtype: reranker.model.dtype, simd: reranker.simd };
  if (info.device !== device || info.dtype !== dtype) {
    throw new Error(`runs on ${info.device} in ${info.dtype}: ${warningsOf(reranker)}`);
  }
  return {
    facts: { ...info, warnings: reranker.warnings.map(({ code }) => code) },
    encodeQuery: (query) => reranker.encodeQuery(query),
    encodeDocuments: (documents) => reranker.encodeDocuments(documents),
    async rerank(query, documents, options) {
      const { results, timings } = await reranker.rerank(query, documents, options);
      const { encoder, tokenize, score } = timings;
      const stages = encoder && { tokenize, ...encoder, score };
      return { order: results.map(({ index }) => index), scores: results.map(({ score }) => score), timings: { ...timings, stages } };
    },
  };
}

function warningsOf(reranker) {
  return reranker.warnings.map(({ code, message }) => `${code} ${message}`).join("; ");
}
