// What does it take a page to search an index? Collections of vectors without texts, of each size; bytes and time of a query by a page that has nothing and by one that has searched
// before, and beside it every document scored. With --peer, the folder docs/pkg of joe32140/fast-plaid-web, the same of its index, which a page fetches as a whole.
// Usage: node page.mjs [DOCUMENTS…] [--queries N] [--n-ivf-probe N] [--n-full-scores N] [--peer DIR] [--json FILE] [--markdown]
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch, openPage } from "../../tests/web/lib/browser.mjs";
import { needCli, needPackage, ROOT } from "../../tests/web/lib/paths.mjs";
import { serve } from "../../tests/web/lib/server.mjs";
import { median, size, table, time } from "../browser/lib/format.mjs";
import { measurePeer } from "./peer.mjs";
import { makeCollection } from "./synthetic.mjs";
import { timed } from "./timed.mjs";

const FOLDER = join(ROOT, "target/bench/index");
const SIZES = ["1000", "10000", "100000"];
/** Queries of which each is asked of a page that has nothing. */
const FRESH = 10;
/** Queries that every document is scored for. */
const EXHAUSTIVE = 5;
const TOP = 10;
/** The peer takes all embeddings as floats at once. */
const MOST_OF_PEER = 10_000;

async function main() {
  const options = { queries: { type: "string", default: "60" }, "n-ivf-probe": { type: "string" }, "n-full-scores": { type: "string" }, peer: { type: "string" }, json: { type: "string" }, markdown: { type: "boolean", default: false } };
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  for (const need of [needPackage, needCli]) need();
  const settings = { topK: TOP, ...(values["n-ivf-probe"] && { nIvfProbe: Number(values["n-ivf-probe"]) }), ...(values["n-full-scores"] && { nFullScores: Number(values["n-full-scores"]) }) };
  const results = [];
  for (const documents of (positionals.length > 0 ? positionals : SIZES).map(Number)) {
    const built = await build(documents, Number(values.queries));
    const found = await inPage(documents, measure, { settings, fresh: FRESH, exhaustive: EXHAUSTIVE });
    const peer = values.peer && documents <= MOST_OF_PEER ? await asked(values.peer, documents, found) : undefined;
    results.push({ documents, ...built, ...found, peer });
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
  process.stdout.write(`${table([HEAD, ...results.map(row)], values).join("\n")}\n`);
  const peers = results.filter(({ peer }) => peer);
  if (peers.length > 0) process.stdout.write(`\n${table([PEER_HEAD, ...peers.map(peerRow)], values).join("\n")}\n`);
}

async function asked(folder, documents, { exact }) {
  cpSync(folder, join(FOLDER, "peer"), { recursive: true });
  return inPage(documents, measurePeer, { best: exact.map(({ best }) => best), top: TOP });
}

/** Once; the seconds and the memory of the build are those of the run that made it. */
async function build(documents, queries) {
  const file = (name) => join(FOLDER, String(documents), name);
  mkdirSync(file(""), { recursive: true });
  if (existsSync(file("built.json"))) return JSON.parse(readFileSync(file("built.json"), "utf8"));
  await makeCollection(documents, queries, { lines: file("documents.jsonl"), documents: file("documents.safetensors"), queries: file("queries.safetensors") });
  const { seconds, memory } = timed(needCli(), ["index", "build", file("documents.jsonl"), "--embeddings", file("documents.safetensors"), "-o", file("index")]);
  const built = { buildSeconds: seconds, buildMemory: memory };
  writeFileSync(file("built.json"), JSON.stringify(built));
  return built;
}

/** What a function gives that runs in a page of its own. */
async function inPage(documents, task, more) {
  const [server, browser] = await Promise.all([serve(), launch({ webgpu: false })]);
  try {
    const { page } = await openPage(await browser.newContext(), server.url("open/pages/empty.html"));
    page.setDefaultTimeout(600_000);
    const url = (path) => server.url(`open/${path}`);
    const own = (name) => url(`indexes/${documents}/${name}`);
    const places = { module: url("package/index.js"), peer: url("indexes/peer/fast_plaid_rust.js"), index: own("index/"), documents: own("documents.safetensors"), queries: own("queries.safetensors") };
    return await page.evaluate(task, { ...places, ...more });
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Runs in the page. */
async function measure({ module, index: url, queries: file, settings, fresh, exhaustive }) {
  const { EmbeddingList, Index, ResidualCodec, Scorer } = await import(module);
  const bytesAt = async (address) => new Uint8Array(await (await fetch(address)).arrayBuffer());
  const list = EmbeddingList.from(await bytesAt(file));
  const queries = Array.from({ length: list.length }, (_, place) => ({ embeddings: new Float32Array(list.at(place).embeddings) }));
  const open = async (options) => {
    const begin = performance.now();
    const index = await Index.open(url, options);
    return { index, ms: performance.now() - begin };
  };
  const cold = [];
  for (const query of queries.slice(0, fresh)) {
    const { index, ms } = await open({ cache: "off" });
    const { timings, fetched } = await index.search(query, settings);
    cold.push({ open: ms, ms: timings.total, ...fetched });
    index.dispose();
  }
  const { index } = await open({ cache: "off" });
  const asked = async () => {
    const answers = [];
    for (const query of queries) answers.push(await index.search(query, settings));
    return answers;
  };
  const [session, again] = [await asked(), await asked()];
  const manifest = await (await fetch(`${url}index.json`)).json();
  // One at a time: thousands at once are more than a browser takes.
  const files = async (kind) => {
    const all = [];
    for (const { file } of manifest.parts[kind]) all.push(await bytesAt(url + file));
    return all;
  };
  const codecs = [ResidualCodec.from(new Uint8Array(await new Blob(await files("codec")).arrayBuffer()))];
  const parts = await files("documents");
  const ids = parts.flatMap((part) => {
    const header = new TextDecoder().decode(part.subarray(8, 8 + Number(new DataView(part.buffer, part.byteOffset).getBigUint64(0, true))));
    return JSON.parse(JSON.parse(header).__metadata__.ids);
  });
  const scorer = await Scorer.load({ limits: { documents: 1e6 } });
  const exact = [];
  for (const [place, { embeddings }] of queries.slice(0, exhaustive).entries()) {
    const begin = performance.now();
    const all = [];
    for (const part of parts) all.push(...(await scorer.score(embeddings, part, { codecs })));
    const ms = performance.now() - begin;
    const order = [...all.keys()].sort((a, b) => all[b] - all[a]).slice(0, settings.topK);
    const best = order.map((document) => ids[document]);
    exact.push({ ms, best, recall: session[place].results.filter(({ id }) => best.includes(id)).length / best.length });
  }
  const { info } = index;
  index.dispose();
  scorer.dispose();
  const openBytes = manifest.parts.codec.reduce((sum, { bytes }) => sum + bytes, 0) + JSON.stringify(manifest).length;
  const brief = (answers) => answers.map(({ timings, fetched, read }) => ({ ms: timings.total, search: timings.search, fetched, read }));
  return { info, openBytes, cold, session: brief(session), again: brief(again), exact };
}

const HEAD = ["documents", "build", "memory", "index", "open", "query, cold", "parts", "time", "in a session", "time", "again", "all scored", `top ${TOP} found`];

function row({ documents, buildSeconds, buildMemory, info, openBytes, cold, session, again, exact }) {
  const of = (list, pick) => median(list.map(pick));
  const late = session.slice(session.length >> 1);
  const mean = (list, pick) => list.reduce((sum, each) => sum + pick(each), 0) / list.length;
  return [
    documents.toLocaleString("en"),
    `${buildSeconds.toFixed(0)} s`,
    size(buildMemory),
    size(info.bytes),
    size(openBytes),
    size(of(cold, ({ bytes }) => bytes)),
    String(of(cold, ({ parts }) => parts)),
    time(of(cold, ({ ms }) => ms)),
    size(mean(late, ({ fetched }) => fetched.bytes)),
    time(of(late, ({ ms }) => ms)),
    time(of(again, ({ ms }) => ms)),
    time(of(exact, ({ ms }) => ms)),
    `${(100 * mean(exact, ({ recall }) => recall)).toFixed(0)} %`,
  ];
}

const PEER_HEAD = ["documents", "fast-plaid-web: index", "query", `top ${TOP} found`];

function peerRow({ documents, peer: { bytes, searches } }) {
  const recall = searches.reduce((sum, each) => sum + each.recall, 0) / searches.length;
  return [documents.toLocaleString("en"), size(bytes), time(median(searches.map(({ ms }) => ms))), `${(100 * recall).toFixed(0)} %`];
}

main().catch((error) => {
  process.stderr.write(`index bench: ${error.message}\n`);
  process.exit(1);
});
