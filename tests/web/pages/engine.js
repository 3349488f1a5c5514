// Gives tests the functions of the engine worker as `engine(name, ...arguments)`. The page's parameters are the worker's.
const worker = new Worker(new URL(`engine-worker.js${location.search}`, import.meta.url), { type: "module" });
const calls = new Map();

worker.onmessage = ({ data: { id, value, error } }) => {
  const { resolve, reject } = calls.get(id);
  if (error === undefined) resolve(value);
  else reject(new Error(error));
};
worker.onerror = (event) => {
  for (const { reject } of calls.values()) reject(new Error(`the engine worker failed: ${event.message}`));
};

globalThis.engine = (name, ...parameters) =>
  new Promise((resolve, reject) => {
    const id = calls.size;
    calls.set(id, { resolve, reject });
    worker.postMessage({ id, name, parameters });
  });
