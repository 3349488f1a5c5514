// One Reranker on a page of its own, called on as many documents as a point of a curve has.
let reranker;

export async function load({ root, model, workers, overrides }) {
  const { Reranker } = await import(`${root}index.js`);
  reranker = await Reranker.load(new URL(model, location.href), { device: "cpu", workers, overrides, workerUrl: "/bench/curves-worker.js" });
}

/** Milliseconds of one call. */
export async function rerank({ query, documents }) {
  const start = performance.now();
  await reranker.rerank(query, documents, { topK: 10 });
  return performance.now() - start;
}
