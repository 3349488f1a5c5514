// The page side of a peer: like Tabrank it runs in a dedicated worker, `load.worker`.
export async function create(load) {
  const worker = new Worker(`/bench/${load.worker}`, { type: "module" });
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
export function caller(worker) {
  return (name, ...values) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.value));
    worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
    worker.postMessage({ name, values });
  });
}
