// onnxruntime-web on the two graphs of a page, one thread.
import * as ort from "/onnxruntime/ort.wasm.min.mjs";

let sessions;
let given;

const calls = {
  async load({ model, suffix, tiles, about }) {
    ort.env.wasm.wasmPaths = "/onnxruntime/";
    ort.env.wasm.numThreads = 1;
    sessions = {};
    for (const half of ["vision", "text"]) {
      sessions[half] = await ort.InferenceSession.create(`${model}/${half}${suffix}.onnx`, { executionProviders: ["wasm"] });
    }
    given = prepared(tiles, about);
    return { onnxruntime: ort.env.versions.web, dimension: 128 };
  },

  async encode() {
    const start = performance.now();
    const parts = [];
    for (const pixel_values of given.tiles) parts.push((await sessions.vision.run({ pixel_values })).features);
    const vision = performance.now() - start;
    const [rows, width] = [parts.reduce((sum, { dims }) => sum + dims[0], 0), parts[0].dims[1]];
    const features = new ort.Tensor("float32", joined(parts.map(({ data }) => data)), [rows, width]);
    const { embeddings } = await sessions.text.run({ input_ids: given.ids, features, places: given.places });
    return { vision, embeddings: normalized(embeddings.data, embeddings.dims.at(-1)) };
  },
};

function prepared(values, { tiles: [count, ...shape], ids, places }) {
  const size = values.length / count;
  const numbers = (list) => BigInt64Array.from(list, BigInt);
  const tile = (place) => Float32Array.from(values.subarray(place * size, (place + 1) * size), (value) => (value / 255 - 0.5) / 0.5);
  return {
    tiles: Array.from({ length: count }, (_, place) => new ort.Tensor("float32", tile(place), [1, ...shape])),
    ids: new ort.Tensor("int64", numbers(ids), [1, ids.length]),
    places: new ort.Tensor("int64", numbers(places), [places.length]),
  };
}

function joined(arrays) {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const array of arrays) {
    all.set(array, start);
    start += array.length;
  }
  return all;
}

function normalized(rows, dimension) {
  for (let start = 0; start < rows.length; start += dimension) {
    const row = rows.subarray(start, start + dimension);
    const length = Math.hypot(...row);
    for (let at = 0; at < dimension; at += 1) row[at] /= length;
  }
  return rows;
}

self.onmessage = async ({ data: { name, values } }) => {
  try {
    self.postMessage({ value: await calls[name](...values) });
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};
