// Measures Tabrank and its peers in one Chromium, in turns; see README.md.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { launch } from "./lib/browser.mjs";
import { compare } from "./lib/compare.mjs";
import { contestants } from "./lib/contestants.mjs";
import { FORMS, measureForms } from "./lib/forms.mjs";
import { MAXSIM, timeMaxsim } from "./lib/maxsim.mjs";
import { measure } from "./lib/measure.mjs";
import { machine } from "./lib/machine.mjs";
import { options } from "./lib/options.mjs";
import { PAGES, timePages } from "./lib/pages.mjs";
import { failures, print } from "./lib/report.mjs";
import { samples } from "./lib/sample.mjs";
import { serve } from "./lib/server.mjs";
import { timeVectors, VECTORS } from "./lib/vectors.mjs";
import { wasmSizes } from "./lib/wasm-size.mjs";

async function main() {
  const settings = options(process.argv.slice(2));
  const report = settings.from ? JSON.parse(await readFile(settings.from, "utf8")) : await measured(settings);
  print(report, settings);
  if (settings.json) await save(settings.json, report);
  if (failures(report).length) process.exitCode = 1;
}

async function measured(settings) {
  const start = performance.now();
  const chosen = contestants(settings);
  const texts = chosen.length ? await samples(settings, new Set(chosen.map(({ group }) => group))) : {};
  const server = await serve(settings);
  const browser = await launch(settings.chromium);
  const report = { machine: await machine(browser, server), settings, samples: texts, contestants: chosen };
  for (const [group, sample] of Object.entries(texts)) {
    await measure(browser, server, chosen.filter((each) => each.group === group), sample, settings);
  }
  if (settings.only?.includes(FORMS) ?? true) report.forms = await measureForms(browser, server, settings);
  if (settings.only?.includes(MAXSIM) ?? true) report.maxsim = await timeMaxsim(browser, server, settings);
  if (settings.only?.includes(VECTORS) ?? true) report.vectors = await vectors(browser, server, settings);
  if (settings.only?.includes(PAGES) ?? true) report.pages = await timePages(browser, server, settings);
  await browser.close();
  server.close();
  report.seconds = (performance.now() - start) / 1000;
  await wasmSizes(chosen, settings);
  compare(chosen, server.uploads);
  return report;
}

/** On the texts of the group `cpu`. */
async function vectors(browser, server, settings) {
  const chosen = contestants({ ...settings, only: ["tabrank-f32", "tabrank-q8"] });
  const { cpu } = await samples(settings, new Set(["cpu"]));
  return timeVectors(browser, server, chosen, cpu, settings);
}

async function save(file, report) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exit(1);
});
