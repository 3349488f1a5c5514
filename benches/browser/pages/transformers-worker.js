// transformers.js as a careful user would rerank with it: local files, documents sorted by length, batches of eight,
// padding dropped, token vectors normalised, MaxSim in a loop over Float32Arrays.
import { AutoModel, AutoTokenizer, env } from "/transformers/transformers.min.js";

const BATCH = 8;
const MAX_LENGTH = 256;

let tokenizer;
let model;

const calls = { load, encode, rerank };

self.onmessage = async ({ data: { name, values } }) => {
  try {
    self.postMessage({ value: await calls[name](...values) });
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};

async function load({ model: id, device, dtype, file }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/onnx/";
  const { wasm, versions } = env.backends.onnx;
  // The same build that the library would fetch from a CDN.
  wasm.wasmPaths = Object.fromEntries(Object.entries(wasm.wasmPaths).map(([kind, url]) => [kind, local(url)]));
  wasm.numThreads = 1;
  tokenizer = await AutoTokenizer.from_pretrained(id);
  model = await AutoModel.from_pretrained(id, { device, dtype, model_file_name: file });
  return { device, dtype, threads: wasm.numThreads, transformers: env.version, onnxruntime: versions.web };
}

function local(url) {
  return new URL(`/onnxruntime/${url.split("/").pop()}`, self.location.href).href;
}

async function rerank(query, documents) {
  const timings = { tokenize: 0, encode: 0, score: 0 };
  const queryRows = await encode([query], timings);
  const rows = await encode(documents, timings);
  const start = performance.now();
  const scores = maxSim(queryRows, rows);
  const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  timings.score = performance.now() - start;
  return { order, scores: order.map((index) => scores[index]), timings };
}

/** Token embeddings of the texts, in the order given: { values, lengths, dimension }. */
async function encode(texts, timings = { tokenize: 0, encode: 0 }) {
  const sorted = [...texts.keys()].sort((a, b) => texts[a].length - texts[b].length);
  const documents = new Array(texts.length);
  for (let first = 0; first < sorted.length; first += BATCH) {
    const batch = sorted.slice(first, first + BATCH);
    const rows = await encodeBatch(batch.map((index) => texts[index]), timings);
    batch.forEach((index, row) => { documents[index] = rows[row]; });
  }
  return concatenate(documents);
}

async function encodeBatch(texts, timings) {
  const start = performance.now();
  const inputs = tokenizer(texts, { padding: true, truncation: true, max_length: MAX_LENGTH });
  const tokenized = performance.now();
  const { last_hidden_state: output } = await model(inputs);
  const rows = texts.map((_, row) => realRows(output, inputs.attention_mask, row));
  timings.tokenize += tokenized - start;
  timings.encode += performance.now() - tokenized;
  return rows;
}

function realRows({ data, dims: [, width, dimension] }, { data: mask }, row) {
  const length = mask.subarray(row * width, (row + 1) * width).reduce((sum, bit) => sum + Number(bit), 0);
  const values = data.slice(row * width * dimension, (row * width + length) * dimension);
  for (let start = 0; start < values.length; start += dimension) normalize(values, start, dimension);
  return { values, length, dimension };
}

function normalize(values, start, dimension) {
  let squares = 0;
  for (let k = start; k < start + dimension; k += 1) squares += values[k] * values[k];
  const scale = 1 / Math.sqrt(squares);
  for (let k = start; k < start + dimension; k += 1) values[k] *= scale;
}

function concatenate(documents) {
  const lengths = Uint32Array.from(documents, ({ length }) => length);
  const { dimension } = documents[0];
  const values = new Float32Array(lengths.reduce((sum, length) => sum + length, 0) * dimension);
  let at = 0;
  for (const document of documents) {
    values.set(document.values, at);
    at += document.values.length;
  }
  return { values, lengths, dimension };
}

function maxSim(query, { values, lengths, dimension }) {
  let start = 0;
  return Array.from(lengths, (length) => {
    const end = start + length * dimension;
    const score = scoreOf(query.values, values, start, end, dimension);
    start = end;
    return score;
  });
}

function scoreOf(query, documents, start, end, dimension) {
  let score = 0;
  for (let q = 0; q < query.length; q += dimension) {
    let best = -Infinity;
    for (let d = start; d < end; d += dimension) {
      let dot = 0;
      for (let k = 0; k < dimension; k += 1) dot += query[q + k] * documents[d + k];
      if (dot > best) best = dot;
    }
    score += best;
  }
  return score;
}
