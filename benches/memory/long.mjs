// What one long document takes, weights apart: of the command line, of the wasm module, and of a GPU. Six minutes, nearly all of them the adapter in software.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openGpuBuffers } from "../../tests/web/lib/gpu-buffers.mjs";
import { openBrowser } from "../../tests/web/lib/package.mjs";
import { need, needCli, needPackage, needWasm } from "../../tests/web/lib/paths.mjs";
import { inMB } from "../../tests/web/lib/wasm-memory.mjs";
import { peakOf } from "./resident.mjs";
import { WIDTH, wideCheckpoint } from "./wide.mjs";

const LENGTHS = [4096, 8192];
/** Bytes that a token may take. A square of scores would take 4 for each pair of tokens and head: 3 GB. */
const MOST = 40_000;
/** Enough words for any length. */
const TEXT = "the price of oil and what came of it ".repeat(4000);
const SHORT = "oil";

/** Each gives figures by their names. */
const MEASURED = { "command line": commandLine, wasm: wasmMemory, WebGPU: gpuBuffers };

export async function long() {
  const rows = [];
  const wrong = [];
  for (const [where, measure] of Object.entries(MEASURED)) {
    const figures = [];
    for (const length of LENGTHS) {
      process.stderr.write(`${where}: ${length} tokens\n`);
      figures.push(await measure(wideCheckpoint(length)));
    }
    for (const name of Object.keys(figures[0])) {
      rows.push([name, ...figures.map((found) => inMB(found[name]))]);
      wrong.push(...figures.flatMap((found, place) => complaint(name, found[name], LENGTHS[place])));
    }
  }
  const head = ["one document, f32", ...LENGTHS.map((length) => `${length.toLocaleString("en")} tokens`)];
  return [{ title: `${WIDTH} wide, a global and a local layer, weights apart`, rows: [head, ...rows], wrong }];
}

function complaint(name, bytes, length) {
  const most = MOST * length;
  return bytes > 0 && bytes <= most ? [] : [`${name}: ${inMB(bytes)} for ${length} tokens; at most ${inMB(most)}`];
}

async function commandLine({ folder }) {
  const scratch = mkdtempSync(join(tmpdir(), "tabrank-"));
  const peak = (text) => {
    const input = join(scratch, "documents.jsonl");
    writeFileSync(input, `${JSON.stringify({ text })}\n`);
    return peakOf(needCli(), ["rerank", "--model", folder, "--query", SHORT], input);
  };
  try {
    return { "tabrank rerank, more than for one word": (await peak(TEXT)) - (await peak(SHORT)) };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** In a module of its own, which Node.js runs as a browser does. */
async function wasmMemory({ folder }) {
  const glue = await import(`${pathToFileURL(need("pkg/wasm/tabrank.js", "make site"))}?${folder}`);
  const { memory } = await glue.default({ module_or_path: readFileSync(needWasm()) });
  const engine = await glue.Engine.load(gathered(new glue.Checkpoint(), folder), { device: "cpu" }, {});
  await engine.rerank(SHORT, [TEXT], {}, {});
  // What the load leaves free is used again, so that all there is counts.
  return { "wasm memory, less the weights": memory.buffer.byteLength - statSync(join(folder, "model.safetensors")).size };
}

function gathered(checkpoint, folder) {
  for (let wanted = checkpoint.wanted(); wanted.length > 0; wanted = checkpoint.wanted()) {
    for (const { name } of wanted) {
      const file = join(folder, name);
      if (existsSync(file)) checkpoint.add(name, readFileSync(file));
      else checkpoint.addMissing(name);
    }
  }
  return checkpoint;
}

/** On the adapter in software, since buffers do not depend on it. */
async function gpuBuffers({ path }) {
  needPackage();
  const browser = await openBrowser({ webgpu: true });
  try {
    const { sizes } = await openGpuBuffers(browser, path);
    await sizes(SHORT, [SHORT]);
    const { made, largest } = await sizes(SHORT, [TEXT]);
    return { "WebGPU, all buffers that are made for it": made, "WebGPU, the largest buffer": largest };
  } finally {
    await browser.close();
  }
}
