/** Runs in the page: the same collection in fast-plaid-web, as its own page has it: 4 bits, 512 centroids, four probed for each token of a query. */
export async function measurePeer({ module, peer, documents, queries: file, best, top }) {
  const { EmbeddingList } = await import(module);
  const { default: init, FastPlaidQuantized } = await import(peer);
  console.log = () => {};
  // Its first start ends in an error of its glue (a table that may not grow); its own page, too, starts it once more.
  await init().catch(() => init());
  const listAt = async (address) => EmbeddingList.from(await (await fetch(address)).arrayBuffer());
  const list = await listAt(documents);
  const halves = new Float32Array(1 << 16).map((_, bits) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  });
  const each = Array.from({ length: list.length }, (_, place) => list.at(place).embeddings);
  const { dimension } = list;
  const rows = new Float32Array(each.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const values of each) for (const bits of values) rows[end++] = halves[bits];
  const info = BigInt64Array.from(each.flatMap(({ length }, place) => [place, length / dimension]), BigInt);
  const index = new FastPlaidQuantized();
  index.load_documents_quantized(rows, info);
  index.set_nprobe(4);
  const queries = await listAt(file);
  const searches = best.map((expected, place) => {
    const { embeddings } = queries.at(place);
    const begin = performance.now();
    const answer = JSON.parse(index.search(embeddings, Uint32Array.of(1, embeddings.length / dimension, dimension), top));
    const ms = performance.now() - begin;
    const [{ passage_ids: found }] = [answer].flat();
    return { ms, recall: found.filter((id) => expected.includes(`d${id}`)).length / expected.length };
  });
  return { bytes: index.save_index().length, searches };
}
