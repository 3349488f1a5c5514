// Ways to rank the same documents with one Reranker; clocks are read around the whole call.

const TOP = 10;

/** Every tenth document is new to the cache, so that new ones are as long as the others. */
const isNew = (_, index) => index % 10 === 9;

export async function create({ root, model, device, dtype, simd }, { query, documents }) {
  const { EmbeddingList, Reranker } = await import(`${root}index.js`);
  const reranker = await Reranker.load(new URL(model, location.href), { device, simd, workers: 1, vectorCache: true });
  if (reranker.model.dtype !== dtype) throw new Error(`runs in ${reranker.model.dtype}`);
  const list = await EmbeddingList.write(int8(await reranker.encodeDocuments(documents)));
  const rows = documents.map((_, index) => ({ index }));
  const ways = {
    texts: () => reranker.rerank(query, documents, { vectorCache: false }),
    along: () => reranker.rerank(query, rows, { embeddings: list }),
    known: () => reranker.rerank(query, documents),
  };
  const before = {
    async known() {
      await reranker.vectorCache.clear();
      await reranker.rerank(query, documents.filter((...entry) => !isNew(...entry)));
    },
  };
  const orders = {};
  const run = async (way, repetitions) => {
    const times = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      await before[way]?.();
      const start = performance.now();
      const { results, timings } = await ways[way]();
      times.push(performance.now() - start);
      orders[way] = results.map(({ index }) => index);
      if (way === "known" && timings.cacheMisses !== documents.filter(isNew).length) throw new Error(`${timings.cacheMisses} documents were encoded`);
    }
    if (orders[way].slice(0, TOP).filter((index) => orders.texts.slice(0, TOP).includes(index)).length < TOP - 1) throw new Error(`${way} has another order than texts`);
    return times;
  };
  return { facts: { simd: reranker.simd, bytes: list.byteLength }, run };
}

/** Each document's rows as integers from -127 to 127, with a scale each. */
function int8({ values, lengths, dimension }) {
  let start = 0;
  return Array.from(lengths, (length) => {
    const rows = values.subarray(start, (start += length * dimension));
    const scales = Float32Array.from({ length }, (_, row) => rows.subarray(row * dimension, (row + 1) * dimension).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
    const embeddings = Int8Array.from(rows, (value, at) => Math.round(value / scales[Math.floor(at / dimension)]));
    return { codec: "int8", dimension, embeddings, scales };
  });
}
