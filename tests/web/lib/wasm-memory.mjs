// How much memory the wasm module takes for a call of the default model.
import { openEngine } from "./engine.mjs";

/** They hold quantized weights in different ways. */
export const MODULES = { "plain SIMD": "tabrank_bg.wasm", "relaxed SIMD": "tabrank_relaxed_bg.wasm" };

export const MB = 1e6;

/** Bytes that one rerank may take more than another one of fewer documents. */
export const GROWTH = 40 * MB;

const QUERY = "Which team won the championship?";

/** An engine of its own, loaded from a bundle; its `memory()` never shrinks, so it is the most that was used. */
export async function openLoaded(path, module) {
  const engine = await openEngine({ webgpu: false, module });
  const address = { checkpoint: engine.url(path), expected: engine.url("fixtures/minilm/") };
  await engine.call("describe", address, "cpu");
  return {
    memory: () => engine.call("memory"),
    rerank: (documents, options) => engine.call("rerank", address, "cpu", QUERY, documents, options),
    encode: (documents) => engine.call("encode", address, "cpu", documents, { pooling: "none" }),
    close: () => engine.close(),
  };
}

export function inMB(bytes) {
  return `${(bytes / MB).toFixed(1)} MB`;
}
