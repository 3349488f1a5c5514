// Measures how time and memory grow, prints it, and draws it into a folder; see README.md.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "./lib/browser.mjs";
import { CURVES, texts } from "./lib/curves.mjs";
import { size, table, time } from "./lib/format.mjs";
import { machine, machineLines } from "./lib/machine.mjs";
import { curveOptions } from "./lib/options.mjs";
import { serve } from "./lib/server.mjs";
import { charts } from "./lib/svg.mjs";

const HEAD = `# How time and memory grow

Written by \`make curves\`: the default model in q8 on the CPU, warm calls in Chromium, medians. \`workers\` are those that a page was given; wasm memory is that of all
its workers, which never shrinks, and the process is the page's, workers and their code included. Smaller lists come first on a page, so that its memory is what the
largest so far needs.`;

async function main() {
  const settings = curveOptions(process.argv.slice(2));
  const report = settings.from ? JSON.parse(await readFile(settings.from, "utf8")) : await measured(settings);
  if (settings.json) await writeFile(settings.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${lines(report, { markdown: false }).join("\n")}\n`);
  if (settings.out) await draw(settings.out, report);
  const wrong = Object.values(report.curves).flatMap((curve) => curve.wrong ?? []);
  for (const line of wrong) process.stderr.write(`MISSED: ${line}\n`);
  if (wrong.length > 0) process.exitCode = 1;
}

async function measured(settings) {
  const server = await serve(settings);
  const browser = await launch(settings.chromium);
  const place = { browser, server, ...settings, model: `/bundles/${settings.modelName}/q8/` };
  const report = { machine: await machine(browser, server), curves: {} };
  const sample = await texts(settings);
  for (const name of settings.only) report.curves[name] = await CURVES[name](place, sample);
  await browser.close();
  server.close();
  return report;
}

/** The page that shows them is written where none is left out. */
async function draw(folder, report) {
  await mkdir(folder, { recursive: true });
  for (const [name, curve] of Object.entries(report.curves)) await writeFile(join(folder, `${name}.svg`), charts(panels(curve)));
  if (Object.keys(CURVES).some((name) => !report.curves[name])) return;
  await writeFile(join(folder, "README.md"), `${[HEAD, "", ...lines(report, { markdown: true })].join("\n")}\n`);
}

function panels({ title, series, isWide = false }) {
  const line = (name, points, of) => ({ name, points: points.map((point) => [point.at, point[of]]) });
  const times = series.map(({ name, points }) => line(name, points, "time"));
  const memory = series.flatMap(({ name, points }) => [line(`wasm, ${name}`, points, "wasm"), line(`process, ${name}`, points, "resident")]);
  return [
    { title: "Time of a call", xLabel: title, format: time, logarithmic: { x: isWide, y: isWide }, series: times },
    { title: "Memory", xLabel: title, format: size, logarithmic: { x: isWide, y: false }, series: memory },
  ];
}

function lines({ machine: place, curves }, style) {
  const parts = Object.entries(curves).map(([name, { title, series }]) => [
    ...(style.markdown ? [`## By ${title}`, "", `![Time and memory by ${title}](${name}.svg)`] : [`By ${title}`]),
    "",
    ...table([["", ...series.flatMap((each) => [each.name, "workers", "wasm memory", "process"])], ...rows(series)], style),
    "",
  ]);
  return [machineLines(place).join(style.markdown ? ". " : "\n"), "", ...parts.flat()].slice(0, -1);
}

function rows(series) {
  return series[0].points.map(({ at }, row) => [at.toLocaleString("en"), ...series.flatMap(({ points }) => cells(points[row]))]);
}

function cells({ time: took, workers, wasm, resident }) {
  return [time(took), String(workers), size(wasm), size(resident)];
}

main().catch((error) => {
  process.stderr.write(`curves: ${error.message}\n`);
  process.exit(1);
});
