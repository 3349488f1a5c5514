// The page side of transformers.js: it runs in a dedicated worker, as Tabrank does.
export async function create(load) {
  const worker = new Worker("/bench/transformers-worker.js", { type: "module" });
  const call = caller(worker);
  const facts = await call("load", load);
  return {
    facts,
    rerank: (query, documents) => call("rerank", query, documents),
    encodeQuery: (query) => call("encode", [query]),
    encodeDocuments: (documents) => call("encode", documents),
  };
}

/** One call at a time: the bench never overlaps them. */
function caller(worker) {
  return (name, ...values) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.value));
    worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
    worker.postMessage({ name, values });
  });
}
