// How long until the first result, and where does the time go? The default model in q8 from a local server, each time in a browser that has stored nothing, a
// hundred texts, by one worker and by as many as the package starts, and the transfer alone: the same files, fetched and dropped. Prints the medians of RUNS loads
// of each, in turns. Usage: node run.mjs [RUNS] [--markdown]
import { parseArgs } from "node:util";
import { prepareBundle } from "../../tests/web/lib/bundles.mjs";
import { launch, openPage } from "../../tests/web/lib/browser.mjs";
import { needCli, needMiniLm, needPackage } from "../../tests/web/lib/paths.mjs";
import { serve } from "../../tests/web/lib/server.mjs";
import { longTexts, questions } from "../../tests/web/lib/texts.mjs";
import { median, table, time } from "../browser/lib/format.mjs";

const DOCUMENTS = 100;
/** UTF-16 units of a text, at least: some 115 tokens. */
const LENGTH = 500;

/** What each part is, in their order; a part ends where its mark is. */
const PARTS = {
  started: "the worker starts",
  compiled: "the module is fetched and compiled, and the model asked for",
  download: "an instance is made of it",
  load: "the model is fetched, checked and kept",
  loaded: "it is put together",
  scores: "first scores",
  first: "first result",
};

const WORKERS = { "one worker": 1, "workers: auto": "auto" };

/** Rows of sums: all parts up to this one. */
const SUMS = { loaded: "until the load ends", scores: "until the first scores", first: "until the first result" };

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { markdown: { type: "boolean", default: false } } });
  for (const need of [needPackage, needCli, needMiniLm]) need();
  const { path } = prepareBundle("load-bench", "models/all-MiniLM-L6-v2", "q8");
  const texts = longTexts(DOCUMENTS, LENGTH);
  const names = Object.keys(PARTS);
  const runs = Object.keys(WORKERS).map(() => []);
  const transfers = [];
  for (let run = 0; run < Number(positionals[0] ?? 5); run++) {
    for (const [column, workers] of Object.values(WORKERS).entries()) runs[column].push(await inNewBrowser("coldLoad", (url) => [url(path), questions(1)[0].text, texts, names, workers]));
    transfers.push(await inNewBrowser("transfer", (url) => [url(path)]));
  }
  const row = (what, of) => [what, ...runs.map((column) => time(median(column.map(of))))];
  const until = (last) => (run) => names.slice(0, names.indexOf(last) + 1).reduce((sum, part) => sum + run[part], 0);
  const transfer = median(transfers);
  const rows = [["part, median", ...Object.keys(WORKERS)]];
  for (const part of names) rows.push(row(PARTS[part], (run) => run[part]));
  for (const [last, what] of Object.entries(SUMS)) rows.push(row(what, until(last)));
  rows.push(["transfer alone", ...runs.map(() => time(transfer))]);
  for (const last of ["loaded", "first"]) rows.push(row(`${SUMS[last]}, less the transfer`, (run) => until(last)(run) - transfer));
  rows.push(row(`the same ${DOCUMENTS} texts again`, ({ again }) => again));
  process.stdout.write(`${table(rows, values).join("\n")}\n`);
}

/** What a function of the page answers; `parametersOf` is told how an address is made of a path. */
async function inNewBrowser(name, parametersOf) {
  const [server, browser] = await Promise.all([serve(), launch({ webgpu: false })]);
  try {
    const { page } = await openPage(await browser.newContext(), server.url("open/load/index.html"));
    await page.waitForFunction((name) => globalThis[name] !== undefined, name);
    return await page.evaluate(([name, parameters]) => globalThis[name](...parameters), [name, parametersOf((path) => server.url(`open/${path}`))]);
  } finally {
    await browser.close();
    await server.close();
  }
}

main().catch((error) => {
  process.stderr.write(`load: ${error.message}\n`);
  process.exit(1);
});
