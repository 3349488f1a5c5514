// transformers.js as a careful user would rerank with it: local files, the tokenizer and the model as the library gives them.
import "./gpu-counter.js";
import { AutoModel, AutoTokenizer, env } from "/transformers/transformers.min.js";
import { answerCalls } from "./peer-worker.js";

let tokenizer;
let model;
let mostTokens;

const peer = {
  batch: undefined,

  async load({ model: id, device, dtype, file, batch, most }) {
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = "/onnx/";
    const { wasm, versions } = env.backends.onnx;
    // The same build that the library would fetch from a CDN.
    wasm.wasmPaths = Object.fromEntries(Object.entries(wasm.wasmPaths).map(([kind, url]) => [kind, local(url)]));
    wasm.numThreads = 1;
    peer.batch = batch;
    mostTokens = most;
    tokenizer = await AutoTokenizer.from_pretrained(id);
    model = await AutoModel.from_pretrained(id, { device, dtype, model_file_name: file });
    return { device, dtype, threads: wasm.numThreads, batch, transformers: env.version, onnxruntime: versions.web };
  },

  prepare: (texts) => texts,

  async forward(texts, timings) {
    const start = performance.now();
    const inputs = tokenizer(texts, { padding: true, truncation: true, max_length: mostTokens });
    const tokenized = performance.now();
    const { last_hidden_state: output } = await model(inputs);
    timings.tokenize += tokenized - start;
    timings.encode += performance.now() - tokenized;
    return { values: output.data, dims: output.dims, lengths: realLengths(inputs.attention_mask) };
  },
};

function realLengths({ data, dims: [texts, width] }) {
  return Array.from({ length: texts }, (_, row) => {
    return data.subarray(row * width, (row + 1) * width).reduce((sum, bit) => sum + Number(bit), 0);
  });
}

function local(url) {
  return new URL(`/transformers-onnxruntime/${url.split("/").pop()}`, self.location.href).href;
}

answerCalls(peer);
