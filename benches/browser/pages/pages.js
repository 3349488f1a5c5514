// One page, encoded again and again by a contestant, from what it is given to embeddings of length 1; clocks are read around the whole.
import { caller } from "./peer.js";

let contestant;

export async function load(kind, options, folder) {
  const about = await (await fetch(`${folder}/page.json`)).json();
  contestant = await KINDS[kind](options, folder, about);
  return contestant.facts;
}

/** Milliseconds, of the vision tower alone and of a query as well where they are known, and the embeddings. */
export async function run() {
  const [time, { vision, embeddings }] = await timed(contestant.encode);
  const [query] = contestant.encodeQuery ? await timed(contestant.encodeQuery) : [];
  return { time, vision, query, embeddings };
}

async function timed(step) {
  const start = performance.now();
  const result = await step();
  return [performance.now() - start, result];
}

const KINDS = { tabrank, ort };
/** With what the model's prompt adds some thirty tokens. */
const QUERY = "In which year was the total of all expenses in the table the largest, and what does its axis show?";

/** From the page's own pixels: resizing it and cutting it into tiles is part of it. */
async function tabrank({ model }, folder, { size: [width, height], edge }) {
  const { Reranker } = await import("/tabrank/index.js");
  const reranker = await Reranker.load(new URL(model, location.href), { device: "cpu", workers: 1 });
  const page = { width, height, rgba: withAlpha(await bytes(`${folder}/page.bin`)) };
  const encode = async () => {
    const [{ embeddings }] = await reranker.encodePages([page], { longestEdge: edge });
    return { embeddings };
  };
  return { facts: { simd: reranker.simd, dimension: reranker.model.dimension }, encode, encodeQuery: () => reranker.encodeQuery(QUERY) };
}

/** From tiles that are numbers already and ids that are made: a worker, tile by tile, as its memory would have it. */
async function ort({ model, suffix }, folder, about) {
  const call = caller(new Worker("/bench/pages-ort-worker.js", { type: "module" }));
  const facts = await call("load", { model, suffix, tiles: await bytes(`${folder}/tiles.bin`), about });
  return { facts, encode: () => call("encode") };
}

async function bytes(path) {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

function withAlpha(rgb) {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let pixel = 0; pixel < rgb.length / 3; pixel += 1) rgba.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  return rgba;
}
