// Measures Tabrank and transformers.js in one Chromium, one after the other; see README.md.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { launch } from "./lib/browser.mjs";
import { compare } from "./lib/compare.mjs";
import { contestants } from "./lib/contestants.mjs";
import { measure } from "./lib/measure.mjs";
import { machine } from "./lib/machine.mjs";
import { options } from "./lib/options.mjs";
import { failures, print } from "./lib/report.mjs";
import { samples } from "./lib/sample.mjs";
import { serve } from "./lib/server.mjs";
import { wasmSizes } from "./lib/wasm-size.mjs";

async function main() {
  const settings = options(process.argv.slice(2));
  const chosen = contestants(settings);
  const texts = await samples(settings);
  const server = await serve(settings);
  const browser = await launch(settings.chromium);
  const report = { machine: await machine(browser, server), settings, samples: texts, contestants: [] };
  for (const contestant of chosen) {
    process.stderr.write(`${contestant.name} ...\n`);
    const figures = await measure(browser, server, contestant, texts[contestant.group], settings);
    if (figures.error) process.stderr.write(`${contestant.name} failed: ${figures.error}\n`);
    report.contestants.push({ ...contestant, ...figures });
  }
  await browser.close();
  server.close();
  await wasmSizes(report.contestants, settings);
  compare(report.contestants, server.uploads);
  print(report);
  if (settings.json) await save(settings.json, report);
  if (failures(report.contestants).length) process.exitCode = 1;
}

async function save(file, report) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exit(1);
});
