// One load and two rankings, and when the worker told of each part of the load.
import { Reranker } from "../package/index.js";

const marks = new Map();

const mark = (name) => marks.has(name) || marks.set(name, performance.now());

globalThis.Worker = class extends Worker {
  constructor(...parameters) {
    super(...parameters);
    this.addEventListener("message", ({ data }) => {
      if (data.type === "started" || data.type === "compiled") mark(data.type);
      if (data.type === "progress") mark(data.progress.phase);
    });
  }
};

/** Milliseconds of each of `parts`, which are in their order, and of the second ranking. */
globalThis.coldLoad = async (source, query, texts, parts, workers) => {
  const begin = performance.now();
  const reranker = await Reranker.load(source, { workers });
  mark("loaded");
  await reranker.rerank(query, texts, { onPartial: ({ scored }) => scored > 0 && mark("scores") });
  mark("first");
  const again = performance.now();
  await reranker.rerank(query, texts);
  const times = { again: performance.now() - again };
  let last = begin;
  for (const part of parts) {
    times[part] = marks.get(part) - last;
    last = marks.get(part);
  }
  return times;
};

/** Milliseconds that the module and the bundle's files take to come, and nothing else. */
globalThis.transfer = async (source) => {
  const take = async (name, base = source) => (await fetch(new URL(name, base), { cache: "no-store" })).arrayBuffer();
  const begin = performance.now();
  const module = take("../package/tabrank-relaxed.wasm", location.href);
  const { files, weights } = JSON.parse(new TextDecoder().decode(await take("tabrank.json")));
  await Promise.all([module, ...[...files, ...weights].map(({ name }) => take(name))]);
  return performance.now() - begin;
};
