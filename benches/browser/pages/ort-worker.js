// onnxruntime-web called directly: the optimized graph, its smallest build for the device, as many threads as it is given, texts
// sorted by their number of tokens.
import "./gpu-counter.js";
import { Tokenizer } from "/tokenizers/tokenizers.min.mjs";
import { answerCalls } from "./peer-worker.js";

const BUILDS = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const OUTPUT = "last_hidden_state";

let ort;
let tokenizer;
let session;
let mostTokens;

const peer = {
  batch: undefined,

  async load({ model, device, file, batch, most, threads }) {
    ort = await import(`/onnxruntime/${BUILDS[device]}`);
    ort.env.wasm.wasmPaths = "/onnxruntime/";
    ort.env.wasm.numThreads = threads;
    peer.batch = batch;
    mostTokens = most;
    const [rules, settings] = await Promise.all(["tokenizer.json", "tokenizer_config.json"].map((name) => json(`${model}/${name}`)));
    tokenizer = new Tokenizer(rules, settings);
    session = await ort.InferenceSession.create(`${model}/onnx/${file}`, { executionProviders: [device] });
    if (ort.env.wasm.numThreads !== threads) throw new Error(`has ${ort.env.wasm.numThreads} threads, not ${threads}`);
    return { device, file, threads: ort.env.wasm.numThreads, batch, onnxruntime: ort.env.versions.web };
  },

  prepare: (texts) => texts.map(idsOf),

  async forward(batch, timings) {
    const start = performance.now();
    const width = Math.max(...batch.map(({ length }) => length));
    const { [OUTPUT]: output } = await session.run(feeds(batch, width));
    timings.encode += performance.now() - start;
    return { values: output.data, dims: output.dims, lengths: batch.map(({ length }) => length) };
  },
};

async function json(path) {
  return (await fetch(path)).json();
}

/** A text that is too long keeps its last token, [SEP]. */
function idsOf(text) {
  const { ids } = tokenizer.encode(text);
  return ids.length > mostTokens ? [...ids.slice(0, mostTokens - 1), ids.at(-1)] : ids;
}

/** A graph takes token types only where its model has some. */
function feeds(batch, width) {
  const ids = new BigInt64Array(batch.length * width);
  const mask = new BigInt64Array(batch.length * width);
  batch.forEach((tokens, row) => {
    ids.set(tokens.map(BigInt), row * width);
    mask.fill(1n, row * width, row * width + tokens.length);
  });
  const tensor = (values) => new ort.Tensor("int64", values, [batch.length, width]);
  const inputs = { input_ids: ids, attention_mask: mask, token_type_ids: new BigInt64Array(ids.length) };
  return Object.fromEntries(session.inputNames.map((name) => [name, tensor(inputs[name])]));
}

answerCalls(peer);
