// How do time and memory grow, with candidates, with their length, with workers, and with calls? The package's q8, warm, on the CPU.
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { median } from "./format.mjs";
import { within } from "./measure.mjs";
import { residentBytes } from "./memory.mjs";
import { cut, jsonLines, tokenCounter } from "./sample.mjs";

const MB = 1e6;

/** Tokens of a document where its length is not what varies, as in the group `cpu`. */
const LENGTH = 115;
const DOCUMENTS = 100;
const CANDIDATES = [10, 30, 100, 300, 1_000];
const LENGTHS = [32, 64, 128, 256, 512];
const WORKERS = [1, 2, 3, 4];
/** Each of this many documents. */
const CALLED = 10;
/** Calls between two looks at the memory. */
const LOOK = 10;
/** Calls after which nothing may grow any more, and bytes by which the process may all the same: its garbage is swept up when the browser likes. */
const SETTLED = 40;
const GROWTH = 40 * MB;

/** What `--only` calls each, and how it is measured. */
export const CURVES = { candidates, tokens: lengths, workers: counts, calls };

/** The texts of all curves. */
export async function texts({ paths, most }) {
  const corpus = await jsonLines(join(paths.corpus, "corpus.jsonl"));
  const [question] = await jsonLines(join(paths.corpus, "queries.jsonl"));
  const words = corpus.flatMap(({ text }) => text.split(" "));
  const lengthOf = await tokenCounter(paths.model);
  return { query: question.text, most, ofLength: (count, length) => passages(words, count, length, lengthOf) };
}

/** Passages of the whole corpus one after the other, each as many words as fit; again from the start where it ends. */
function passages(words, count, length, lengthOf) {
  let at = 0;
  return Array.from({ length: count }, () => {
    if (at + length > words.length) at = 0;
    const passage = cut(words.slice(at, at + length).join(" "), length, lengthOf);
    at += passage.split(" ").length;
    return passage;
  });
}

/** `{ title, isWide, series: [{ name, points: [{ at, time, workers, wasm, resident }] }] }`, times in milliseconds, memory in bytes; whether both are best seen as powers. */
async function candidates(place, { query, most, ofLength }) {
  const counts = CANDIDATES.filter((count) => count <= most);
  const all = ofLength(counts.at(-1), LENGTH);
  const samples = counts.map((count) => ({ at: count, documents: all.slice(0, count) }));
  return { title: `candidates of ${LENGTH} tokens`, isWide: true, series: await byWorkers(place, query, samples) };
}

async function lengths(place, { query, most, ofLength }) {
  const samples = LENGTHS.map((length) => ({ at: length, documents: ofLength(Math.min(DOCUMENTS, most), length) }));
  return { title: `tokens a document, ${Math.min(DOCUMENTS, most)} documents`, isWide: true, series: await byWorkers(place, query, samples, { documentLength: LENGTHS.at(-1) }) };
}

async function byWorkers(place, query, samples, overrides) {
  const series = [];
  for (const workers of WORKERS.slice(0, 2)) series.push({ name: named(workers), points: await onPage(place, { workers, overrides }, query, samples) });
  return series;
}

async function counts(place, { query, most, ofLength }) {
  const documents = ofLength(Math.min(DOCUMENTS, most), LENGTH);
  const points = [];
  for (const workers of WORKERS) points.push(...(await onPage(place, { workers }, query, [{ at: workers, documents }])));
  return { title: `workers, ${documents.length} documents of ${LENGTH} tokens`, series: [{ name: "q8", points }] };
}

function named(workers) {
  return `${workers} worker${workers > 1 ? "s" : ""}`;
}

/** The samples in a page that ran nothing else, the smaller ones first, so that its memory is what the largest so far needs. */
async function onPage(place, load, query, samples) {
  const session = await open(place, load);
  const points = [];
  for (const { at, documents } of samples) points.push({ at, ...(await point(session, place.runs, { query, documents })) });
  await session.close();
  return points;
}

async function point({ call, memory }, runs, sample) {
  process.stderr.write(`curves: ${sample.documents.length} documents\n`);
  await call("rerank", sample);
  const times = [];
  for (let run = 0; run < runs; run += 1) times.push(await call("rerank", sample));
  return { time: median(times), ...(await memory()) };
}

/** Two workers, time and again: what `wrong` says has grown. */
async function calls(place, { query, ofLength }) {
  const session = await open(place, { workers: 2 });
  const sample = { query, documents: ofLength(CALLED, LENGTH) };
  const points = [];
  for (let done = LOOK; done <= place.calls; done += LOOK) {
    const times = [];
    for (let call = 0; call < LOOK; call += 1) times.push(await session.call("rerank", sample));
    points.push({ at: done, time: median(times), ...(await session.memory()) });
  }
  await session.close();
  return { title: `calls, ${CALLED} documents of ${LENGTH} tokens`, series: [{ name: named(2), points }], wrong: growth(points) };
}

function growth(points) {
  const settled = points.filter(({ at }) => at >= SETTLED);
  if (settled.length < 2) return [];
  const [first, last] = [settled[0], settled.at(-1)];
  const grown = { "the workers' wasm memory": [last.wasm - first.wasm, 0], "the page's process": [last.resident - first.resident, GROWTH] };
  const wrong = Object.entries(grown).filter(([, [bytes, most]]) => bytes > most);
  return wrong.map(([what, [bytes, most]]) => `${what} grew by ${bytes / MB} MB from call ${first.at} to call ${last.at}; at most ${most / MB} MB`);
}

async function open({ browser, server, limit, model }, { workers = 1, overrides }) {
  const { page, close } = await openPage(browser, server.origin);
  const call = (name, value) => within(limit, page.evaluate(callPage, [name, value]));
  await call("load", { root: "/tabrank/", model, workers, overrides });
  const memory = async () => {
    const bytes = await Promise.all(page.workers().map((worker) => worker.evaluate(() => self.wasmBytes())));
    return { workers: bytes.length, wasm: bytes.reduce((sum, each) => sum + each, 0), resident: await residentBytes(browser) };
  };
  return { call, memory, close };
}

async function callPage([name, value]) {
  const page = await import("/bench/curves.js");
  return page[name](value);
}
