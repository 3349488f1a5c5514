// Reranking as a careful user of a peer would write it: texts sorted by length, batches, padding dropped, token vectors
// normalised, MaxSim in a loop over Float32Arrays.

/**
 * Answers the page's calls. A peer has `load(options)`, which gives facts and sets the size of a `batch`;
 * `prepare(texts)`, which makes of each text something with a length to sort by; and
 * `forward(prepared, timings)`, which gives { values, dims: [texts, width, dimension], lengths } for one batch.
 */
export function answerCalls(peer) {
  const calls = {
    load: (options) => peer.load(options),
    encode: (texts) => encode(peer, texts, noTime()),
    rerank: (query, documents) => rerank(peer, query, documents),
  };
  self.onmessage = async ({ data: { name, values } }) => {
    try {
      self.postMessage({ value: await calls[name](...values) });
    } catch (error) {
      self.postMessage({ error: String(error?.message ?? error) });
    }
  };
}

function noTime() {
  return { tokenize: 0, encode: 0, score: 0 };
}

async function rerank(peer, query, documents) {
  const timings = noTime();
  const queryRows = await encode(peer, [query], timings);
  const rows = await encode(peer, documents, timings);
  const start = performance.now();
  const scores = maxSim(queryRows, rows);
  const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  timings.score = performance.now() - start;
  return { order, scores: order.map((index) => scores[index]), timings };
}

/** Token embeddings of the texts, in the order given: { values, lengths, dimension }. */
async function encode(peer, texts, timings) {
  const start = performance.now();
  const prepared = peer.prepare(texts);
  timings.tokenize += performance.now() - start;
  const sorted = [...texts.keys()].sort((a, b) => prepared[a].length - prepared[b].length);
  const documents = new Array(texts.length);
  for (let first = 0; first < sorted.length; first += peer.batch) {
    const batch = sorted.slice(first, first + peer.batch);
    const output = await peer.forward(batch.map((index) => prepared[index]), timings);
    const copying = performance.now();
    batch.forEach((index, row) => { documents[index] = realRows(output, row); });
    timings.encode += performance.now() - copying;
  }
  return concatenate(documents);
}

function realRows({ values: all, dims: [, width, dimension], lengths }, row) {
  const length = lengths[row];
  const values = all.slice(row * width * dimension, (row * width + length) * dimension);
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
