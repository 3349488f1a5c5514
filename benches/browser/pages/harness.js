// What the bench calls on the page. A contestant module exports `create(load)`, which gives an object with
// rerank(query, documents, options) -> { order, scores, timings }, encodeQuery(query), encodeDocuments(documents) and facts.
// A contestant whose results are looked at as they come takes the options of `rerank` in the package.
// All clocks are read here, so messages to and from a worker count for everyone.
let contestant;

/** From nothing to the first result: scripts, wasm, model, and one rerank. */
export async function cold(module, load, sample) {
  const start = performance.now();
  const { create } = await import(module);
  contestant = await create(load);
  const ready = performance.now();
  const result = await contestant.rerank(sample.query, sample.documents);
  return { load: ready - start, first: performance.now() - start, facts: contestant.facts, result };
}

export async function rerank(sample, options) {
  const start = performance.now();
  const { timings } = await contestant.rerank(sample.query, sample.documents, options);
  return { time: performance.now() - start, timings };
}

/** Documents of the top of the list. */
const TOP = 10;

/** Milliseconds to the first results that are told, until the first ones of the list are scored, and to all. */
export async function told(sample) {
  const start = performance.now();
  const times = {};
  const onPartial = ({ results }) => {
    times.first ??= performance.now() - start;
    const scored = results.filter(({ index, score }) => index < TOP && score !== null);
    if (scored.length === Math.min(TOP, sample.documents.length)) times.top ??= performance.now() - start;
  };
  await contestant.rerank(sample.query, sample.documents, { onPartial });
  return { ...times, all: performance.now() - start };
}

/** How many documents are scored within a budget, and when the answer comes. */
export async function budgeted(sample, budget) {
  const start = performance.now();
  const { scores } = await contestant.rerank(sample.query, sample.documents, { budgetMs: budget });
  return { budget, time: performance.now() - start, scored: scores.filter((score) => score !== null).length };
}

export async function encodeQuery(sample) {
  const start = performance.now();
  await contestant.encodeQuery(sample.query);
  return { time: performance.now() - start };
}

/** Sends the documents' embeddings: dimension, number of documents and lengths as 32-bit words, then the values. */
export async function upload(id, sample) {
  const { values, lengths, dimension } = await contestant.encodeDocuments(sample.documents);
  const head = new Uint32Array([dimension, lengths.length, ...lengths]);
  const response = await fetch(`/upload/${id}`, { method: "POST", body: new Blob([head, values]) });
  if (!response.ok) throw new Error(`the upload was answered with ${response.status}`);
}
