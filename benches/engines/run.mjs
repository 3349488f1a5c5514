// What does each browser engine have of what the package uses, and how fast is it? The default model in q8 over twenty texts; prints the medians of RUNS rerankings.
// Usage: node run.mjs [RUNS] [--markdown]
import { parseArgs } from "node:util";
import { prepareBundle } from "../../tests/web/lib/bundles.mjs";
import { openBrowser } from "../../tests/web/lib/package.mjs";
import { needCli, needMiniLm, needPackage } from "../../tests/web/lib/paths.mjs";
import { longTexts, questions } from "../../tests/web/lib/texts.mjs";
import { median, table, time } from "../browser/lib/format.mjs";

const ENGINES = { chromium: "Chromium", firefox: "Firefox", webkit: "WebKitGTK" };
const CANDIDATES = 20;
/** UTF-16 units of a text, at least: some 115 tokens. */
const LENGTH = 500;
const WORKERS = { "one worker": 1, "`workers: \"auto\"`": "auto" };

const SIMD = { relaxed: "relaxed SIMD", simd128: "SIMD" };
const GPU = { adapter: "yes", none: "yes, no adapter here", absent: "no" };

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { markdown: { type: "boolean", default: false } } });
  for (const need of [needPackage, needCli, needMiniLm]) need();
  const { path } = prepareBundle("engines-bench", "models/all-MiniLM-L6-v2", "q8");
  const columns = [];
  for (const [engine, name] of Object.entries(ENGINES)) columns.push(await column(engine, name, path, Number(positionals[0] ?? 9)));
  const rows = Object.keys(columns[0]).map((row) => [row, ...columns.map((cells) => cells[row])]);
  process.stdout.write(`${table(rows, values).join("\n")}\n`);
}

/** What stands below an engine's name, by row. */
async function column(engine, name, path, runs) {
  const browser = await openBrowser({ engine, webgpu: false });
  try {
    const plain = await browser.newPackagePage({ host: "insecure.example" });
    const overHttp = await plain.page.evaluate(features);
    await plain.close();
    const tab = await browser.newPackagePage();
    const own = await tab.page.evaluate(features);
    const { simd } = await load(tab, path, 1);
    await tab.harness("dispose", "it");
    const cells = { "": `${name} ${await browser.browser.version()}`, "wasm module": SIMD[simd], WebGPU: GPU[own.gpu] };
    for (const feature of Object.keys(own.has)) cells[feature] = told(own.has[feature], overHttp.has[feature]);
    for (const [what, workers] of Object.entries(WORKERS)) cells[`${CANDIDATES} texts in q8, ${what}`] = time(await reranked(tab, path, workers, runs));
    return cells;
  } finally {
    await browser.close();
  }
}

function told(isThere, isThereOverHttp) {
  if (!isThere) return "no";
  return isThereOverHttp ? "yes" : "on https";
}

/** Runs in the page. */
async function features() {
  const gpu = navigator.gpu ? ((await navigator.gpu.requestAdapter().catch(() => null)) ? "adapter" : "none") : "absent";
  const has = {
    "model kept (Cache API)": "caches" in globalThis,
    "embeddings kept (IndexedDB)": "indexedDB" in globalThis && globalThis.crypto.subtle !== undefined,
    "storage kept for good (`storage.persist`)": typeof navigator.storage?.persist === "function",
    "`using`, `Symbol.dispose`": "dispose" in Symbol,
    "Trusted Types": "trustedTypes" in globalThis,
  };
  return { gpu, has };
}

async function load(tab, path, workers) {
  const { value, error } = await tab.harness("load", "it", tab.url(path), { device: "cpu", workers });
  if (error) throw new Error(error.message);
  return value;
}

/** Milliseconds of a reranking, after one that does not count. */
async function reranked(tab, path, workers, runs) {
  await load(tab, path, workers);
  const times = [];
  for (let run = 0; run <= runs; run++) {
    const { value } = await tab.harness("rerank", "it", questions(1)[0].text, longTexts(CANDIDATES, LENGTH), { topK: 10 });
    times.push(value.timings.total);
  }
  await tab.harness("dispose", "it");
  return median(times.slice(1));
}

main().catch((error) => {
  process.stderr.write(`browsers: ${error.message}\n`);
  process.exit(1);
});
