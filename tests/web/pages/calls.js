// Calls of an engine as they are, and how long each keeps its thread between two looks at the caller's hooks.
import { Checkpoint, convert } from "../wasm/tabrank.js";
import { fill } from "./case.js";

/** Hooks that never stop a call: `gaps` are the times between two calls of `batch` or `pause`, the call's start and end included, `stages` where each was. */
class Watch {
  gaps = [];
  stages = [];
  #stage = "start";
  #last = performance.now();
  hooks = { stage: (name) => (this.#stage = name), batch: () => this.look(), pause: () => this.look() };

  look() {
    const now = performance.now();
    this.gaps.push(now - this.#last);
    this.stages.push(this.#stage);
    this.#last = now;
    return true;
  }
}

async function watched(call) {
  const watch = new Watch();
  const answer = await call(watch.hooks);
  watch.look();
  const { gaps, stages } = watch;
  return { answer, watched: { gaps, stages } };
}

/** What came is counted only: it would cross to the page. */
export async function rerank({ engine }, query, documents, options) {
  const { answer, watched: seen } = await watched((hooks) => engine.rerank(query, documents, options, hooks));
  return { results: answer.indices.length, explanations: answer.explanations?.length ?? 0, ...seen };
}

export async function encode({ engine }, documents, options) {
  const { answer, watched: seen } = await watched((hooks) => engine.encode("document", documents, options, hooks));
  return { rows: answer.lengths.reduce((sum, length) => sum + length, 0), parts: answer.parts.length, ...seen };
}

/** All of the weights are there. */
const nothingMore = () => Promise.reject(new Error("nothing is to be read"));

/** Converts the checkpoint of a folder. */
export async function convertFolder(folder, dtype) {
  const checkpoint = await fill(new Checkpoint(), folder);
  const { answer, watched: seen } = await watched((hooks) => convert(checkpoint, { dtype }, hooks, nothingMore));
  const files = answer.names().length;
  answer.free();
  return { files, ...seen };
}
