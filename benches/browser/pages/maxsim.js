// MaxSim alone: a contestant is made with its documents, and called on them again and again.
let contestant;

export async function load(kind, options, shape) {
  contestant = await KINDS[kind](options, shape);
}

/** Milliseconds of each call. */
export async function run(repetitions) {
  return contestant(repetitions);
}

const KINDS = { tabrank, ort, javascript };

async function tabrank({ module, codec, device }, { queryRows, documents, documentRows, dimension }) {
  const glue = await import(`/wasm/${device === "webgpu" ? "tabrank_gpu" : "tabrank"}.js`);
  await glue.default({ module_or_path: module });
  const timed = new glue.TimedMaxsim(codec, queryRows, documents, documentRows, dimension);
  return async (repetitions) => [...(device === "webgpu" ? await timed.onWebgpu(repetitions) : timed.onCpu(repetitions))];
}

/** Some documents at a time, so that their similarities stay in a cache. */
async function ort({ graph, provider, batch }, { queryRows, documents, documentRows, dimension }) {
  const runtime = await import(`/onnxruntime/${provider === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs"}`);
  runtime.env.wasm.wasmPaths = "/onnxruntime/";
  runtime.env.wasm.numThreads = 1;
  const session = await runtime.InferenceSession.create(`/onnx/maxsim/${graph}.onnx`, { executionProviders: [provider] });
  const isF32 = graph === "f32";
  const rows = documents * documentRows;
  const codes = isF32 ? randomFloats(rows * dimension) : new Uint8Array(randomFloats(rows * dimension).map((x) => 128 + 127 * x));
  const query = isF32 ? randomFloats(dimension * queryRows) : new Int8Array(randomFloats(dimension * queryRows).map((x) => 127 * x));
  const [scales, queryScales] = [new Float32Array(rows).fill(0.01), new Float32Array(queryRows).fill(0.01)];
  const tensor = (values, dims) => new runtime.Tensor(NAMES.get(values.constructor), values, dims);
  const feeds = (first) => ({
    codes: tensor(codes.subarray(first * documentRows * dimension, (first + batch) * documentRows * dimension), [batch, documentRows, dimension]),
    query: tensor(query, [dimension, queryRows]),
    ...(isF32 ? {} : { scales: tensor(scales.subarray(first * documentRows, (first + batch) * documentRows), [batch, documentRows, 1]), query_scales: tensor(queryScales, [queryRows]) }),
  });
  return timed(async () => {
    for (let first = 0; first < documents; first += batch) await session.run(feeds(first));
  });
}

const NAMES = new Map([[Float32Array, "float32"], [Uint8Array, "uint8"], [Int8Array, "int8"]]);

/** As one would write it. */
function javascript(_, { queryRows, documents, documentRows, dimension }) {
  const query = randomFloats(queryRows * dimension);
  const values = randomFloats(documents * documentRows * dimension);
  const scores = new Float32Array(documents);
  return timed(() => {
    for (let document = 0; document < documents; document += 1) {
      scores[document] = score(query, values.subarray(document * documentRows * dimension, (document + 1) * documentRows * dimension), dimension);
    }
  });
}

function score(query, document, dimension) {
  let sum = 0;
  for (let q = 0; q < query.length; q += dimension) {
    let best = -Infinity;
    for (let d = 0; d < document.length; d += dimension) {
      let dot = 0;
      for (let k = 0; k < dimension; k += 1) dot += query[q + k] * document[d + k];
      if (dot > best) best = dot;
    }
    sum += best;
  }
  return sum;
}

function timed(once) {
  return async (repetitions) => {
    const times = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      const start = performance.now();
      await once();
      times.push(performance.now() - start);
    }
    return times;
  };
}

/** Within ±1. */
function randomFloats(count) {
  return Float32Array.from({ length: count }, () => 2 * Math.random() - 1);
}
