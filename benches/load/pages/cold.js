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
globalThis.coldLoad = async (source, query, texts, parts) => {
  const begin = performance.now();
  const reranker = await Reranker.load(source, { workers: 1 });
  mark("loaded");
  await reranker.rerank(query, texts);
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
