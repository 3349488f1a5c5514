// Peak memory of a large checkpoint's conversion to q8: in the page, of a server with and without ranges, and on the command line. Some minutes, and 3 GB of disk.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "../../tests/web/lib/package.mjs";
import { needCli, needPackage, OUTPUT } from "../../tests/web/lib/paths.mjs";
import { inMB, MB } from "../../tests/web/lib/wasm-memory.mjs";
import { largeCheckpoint } from "./checkpoint.mjs";
import { listenForWasm, residentPeak } from "./renderer.mjs";
import { peakOf } from "./resident.mjs";

/** Which model is converted where. The first part of an address says how the server answers. */
const RUNS = [
  ["jina", "page, by ranges", (name) => inPage(name, "ranges")],
  ["jina", "page, from one stream", (name) => inPage(name, "open")],
  ["gte", "page, by ranges", (name) => inPage(name, "ranges")],
  ["gte", "tabrank convert", onCommandLine],
];

/** Bytes of wasm memory that a conversion may take for each byte of the bundle, and beside it. */
const MOST = { share: 2.2, beside: 500 * MB };

export async function conversion() {
  for (const need of [needPackage, needCli]) need();
  const rows = [["conversion to q8", "where", "checkpoint", "wasm memory", "process", "seconds"]];
  const wrong = [];
  for (const [name, where, run] of RUNS) {
    process.stderr.write(`${name}: ${where}\n`);
    const { folder, numbers } = largeCheckpoint(name);
    const weights = statSync(join(folder, "model.safetensors")).size;
    const start = performance.now();
    const { memory, resident } = await run(name, folder);
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    rows.push([name, where, inMB(weights), memory ? inMB(memory) : "-", inMB(resident), seconds]);
    // A byte for each number in q8.
    const most = MOST.share * numbers + MOST.beside;
    if (memory > most) wrong.push(`${name} in a ${where} takes ${inMB(memory)} of wasm memory; at most ${inMB(most)}`);
  }
  return [{ title: "random weights in the shapes of jina-colbert-v2 and GTE-ModernColBERT-v1", rows, wrong }];
}

async function inPage(name, policy) {
  const browser = await openBrowser({ webgpu: false });
  try {
    const tab = await browser.newPackagePage();
    const wasmPeak = await listenForWasm(tab.page);
    const address = browser.server.url(`${policy}/checkpoints/${name}/`);
    const outcome = await tab.harness("load", "it", address, { device: "cpu", dtype: "q8", cache: "off", workerUrl: tab.url("pages/memory-worker.js") });
    if (outcome.error) throw new Error(`${outcome.error.code}: ${outcome.error.message}`);
    return { memory: await wasmPeak(), resident: await residentPeak(browser) };
  } finally {
    await browser.close();
  }
}

async function onCommandLine(_, checkpoint) {
  const folder = mkdtempSync(join(OUTPUT, "converted-"));
  try {
    // Random weights give embeddings that any rounding moves far.
    const parameters = ["convert", checkpoint, "--dtype", "q8", "-o", join(folder, "q8"), "--max-error", "2"];
    return { resident: await peakOf(needCli(), parameters) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
