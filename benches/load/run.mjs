// How long until the first result, and where does the time go? The default model in q8 from a local server, each time in a browser that has stored nothing, a
// hundred texts, one worker. Prints the medians of RUNS loads. Usage: node run.mjs [RUNS] [--markdown]
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
  compiled: "the module is fetched and compiled",
  download: "an instance is made of it, and the storage looked through",
  load: "the model is fetched, checked and kept",
  loaded: "it is put together",
  first: "first result",
};

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { markdown: { type: "boolean", default: false } } });
  const [count = "5"] = positionals;
  if (!/^[1-9]\d*$/.test(count)) throw new Error(`RUNS is a whole number from 1, not "${count}"`);
  for (const need of [needPackage, needCli, needMiniLm]) need();
  const { path } = prepareBundle("load-bench", "models/all-MiniLM-L6-v2", "q8");
  const texts = longTexts(DOCUMENTS, LENGTH);
  const runs = [];
  for (let run = 0; run < Number(count); run++) runs.push(await coldLoad(path, texts));
  const rows = [["part", "median"]];
  for (const [part, what] of Object.entries(PARTS)) rows.push([what, time(median(runs.map((run) => run[part])))]);
  const sum = (run, parts) => parts.reduce((total, part) => total + run[part], 0);
  const names = Object.keys(PARTS);
  rows.push(["until the load ends", time(median(runs.map((run) => sum(run, names.slice(0, -1)))))]);
  rows.push(["until the first result", time(median(runs.map((run) => sum(run, names))))]);
  rows.push([`the same ${DOCUMENTS} texts again`, time(median(runs.map(({ again }) => again)))]);
  process.stdout.write(`${table(rows, values).join("\n")}\n`);
}

/** Milliseconds of each part. */
async function coldLoad(path, texts) {
  const [server, browser] = await Promise.all([serve(), launch({ webgpu: false })]);
  try {
    const { page } = await openPage(await browser.newContext(), server.url("open/load/index.html"));
    await page.waitForFunction(() => globalThis.coldLoad !== undefined);
    const parameters = [server.url(`open/${path}`), questions(1)[0].text, texts, Object.keys(PARTS)];
    return await page.evaluate((parameters) => globalThis.coldLoad(...parameters), parameters);
  } finally {
    await browser.close();
    await server.close();
  }
}

main().catch((error) => {
  process.stderr.write(`load: ${error.message}\n`);
  process.exit(1);
});
