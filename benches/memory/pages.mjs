// What pages as images take in the tab, by a model of ColModernVBERT's shape in q8: by their number and by the tiles of one, and a PDF's in the demo. Some twenty minutes, nearly all of them the products of vision.
import { openDemo, tinySettings } from "../../tests/web/lib/demo.mjs";
import { prepareTinyData } from "../../tests/web/lib/demo-data.mjs";
import { openBrowser } from "../../tests/web/lib/package.mjs";
import { need, needDemo, needPackage } from "../../tests/web/lib/paths.mjs";
import { makePdf } from "../../tests/web/lib/pdf.mjs";
import { inMB, MB } from "../../tests/web/lib/wasm-memory.mjs";
import { forgetPeaks, listenForWasm, residentPeak } from "./renderer.mjs";

const BUNDLE = "benched/colmodernvbert/q8/";
/** An A4 page as the demo draws it. */
const SIZE = { width: 1_448, height: 2_048 };
const MANY = 20;
/** How many pages at which longest edge. Few tiles a page, for at full size twenty take half an hour. */
const RUNS = [[0], [1, 2_048], [1, 1_024], [1, 512], [MANY, 512]];
/** Bytes of wasm memory that twenty pages may take more than one. */
const GROWTH = 4 * MB;
/** The same of the whole process: twenty pages' vectors, and what the browser sweeps up when it sees fit. */
const GROWTH_OF_PROCESS = 150 * MB;
/** Milliseconds that all pages of a PDF may take. */
const PATIENCE = 3_600_000;

/** By the package. */
export async function pages() {
  needPackage();
  needBundle();
  const rows = [["pages", "tiles of each", "wasm memory", "process, at the load", "while pages are read"]];
  const found = [];
  for (const [count, longestEdge] of RUNS) {
    process.stderr.write(`${count} pages, longest edge ${longestEdge ?? "-"}\n`);
    const { tiles, memory, atLoad, resident } = await encode(count, longestEdge);
    rows.push(count === 0 ? ["none, texts alone", "-", inMB(memory), inMB(atLoad), "-"] : [String(count), String(tiles), inMB(memory), inMB(atLoad), inMB(resident)]);
    found.push({ memory, resident });
  }
  const [one, many] = found.slice(-2);
  const wrong = [...grown("wasm memory", many.memory - one.memory, GROWTH), ...grown("the process", many.resident - one.resident, GROWTH_OF_PROCESS)];
  return [{ title: `ColModernVBERT's shape, q8, one worker on the CPU; at most ${inMB(GROWTH)} of wasm memory more for ${MANY} pages than for one, and ${inMB(GROWTH_OF_PROCESS)} of the process`, rows, wrong }];
}

function needBundle() {
  need("target/bench/bundles/colmodernvbert/q8/tabrank.json", "make target/stamps/bench-bundles");
}

function grown(what, growth, most) {
  return growth > most ? [`${what} is ${inMB(growth)} larger for ${MANY} pages than for one; at most ${inMB(most)}`] : [];
}

/** A browser for each, since memory of wasm never shrinks. With no page, what a question takes. A page of one tile brings the page side before. */
async function encode(count, longestEdge) {
  const browser = await openBrowser({ webgpu: false });
  try {
    const tab = await browser.newPackagePage();
    const wasmPeak = await listenForWasm(tab.page);
    valueOf(await tab.harness("load", "it", tab.url(BUNDLE), { device: "cpu", workers: 1, cache: "off", workerUrl: tab.url("pages/memory-worker.js") }));
    valueOf(await tab.harness("call", "it", "encodeQuery", "the price of oil"));
    if (count > 0) valueOf(await tab.harness("tilesOfPages", "it", 1, SIZE, 512));
    const atLoad = await residentPeak(browser);
    await forgetPeaks(browser);
    const tiles = count > 0 ? valueOf(await tab.harness("tilesOfPages", "it", count, SIZE, longestEdge)) : 0;
    // Told ten times a second.
    await tab.page.waitForTimeout(300);
    return { tiles, memory: await wasmPeak(), atLoad, resident: await residentPeak(browser) };
  } finally {
    await browser.close();
  }
}

function valueOf({ value, error }) {
  if (error) throw new Error(`${error.code}: ${error.message}`);
  return value;
}

/** In the demo, which draws them. */
export async function pdf() {
  needDemo();
  needBundle();
  prepareTinyData("memory-pages");
  const rows = [["pages of the PDF", "process"]];
  const peaks = [];
  for (const count of [1, MANY]) {
    process.stderr.write(`a PDF of ${count} pages in the demo\n`);
    peaks.push(await readPdf(count));
    rows.push([String(count), inMB(peaks.at(-1))]);
  }
  return [{ title: `a PDF of A4 pages in the demo, at half detail; at most ${inMB(GROWTH_OF_PROCESS)} more for ${MANY} pages than for one`, rows, wrong: grown("the process", peaks[1] - peaks[0], GROWTH_OF_PROCESS) }];
}

async function readPdf(count) {
  const browser = await openBrowser({ webgpu: false });
  try {
    const folder = new URL(browser.server.url(`strict/${BUNDLE}`)).pathname;
    const { page } = await openDemo(browser, { ...tinySettings(browser.server, "memory-pages"), "page-model": folder, dtype: "q8", device: "cpu" });
    page.setDefaultTimeout(PATIENCE);
    const buffer = makePdf(Array.from({ length: count }, (_, place) => `Page ${place + 1} tells of the price of oil.`));
    await page.setInputFiles("#own-files", { name: "report.pdf", mimeType: "application/pdf", buffer });
    await page.click("#own-status .look");
    await page.click("#pages-load");
    await page.waitForSelector("#pages-read");
    await page.check("#pages-detail [value=half]", { force: true });
    await page.waitForSelector("#pages[data-step=measuring]");
    await page.waitForSelector("#pages[data-step=ready]");
    await page.click("#pages-read");
    await page.waitForFunction(() => /is read|are read/.test(document.querySelector("#pages-told")?.textContent ?? ""));
    await page.fill("#pages-question", "What did oil cost?");
    await page.press("#pages-question", "Enter");
    await page.waitForSelector("#pages-rows .page-picture canvas");
    return await residentPeak(browser);
  } finally {
    await browser.close();
  }
}
