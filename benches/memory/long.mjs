// What one long document takes, weights apart: of the command line, and of the wasm module.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { need, needCli, needWasm } from "../../tests/web/lib/paths.mjs";
import { inMB } from "../../tests/web/lib/wasm-memory.mjs";
import { peakOf } from "./resident.mjs";
import { WIDTH, wideCheckpoint } from "./wide.mjs";

const LENGTHS = [4096, 8192];
/** Bytes that a token may take. A square of scores would take 4 for each pair of tokens and head: 3 GB. */
const MOST = 40_000;
/** Enough words for any length. */
const TEXT = "the price of oil and what came of it ".repeat(4000);
const SHORT = "oil";

const MEASURED = { "tabrank rerank": commandLine, "wasm memory": wasmMemory };

export async function long() {
  const rows = [["one document, f32", ...LENGTHS.map((length) => `${length.toLocaleString("en")} tokens`)]];
  const wrong = [];
  for (const [name, measure] of Object.entries(MEASURED)) {
    const row = [name];
    for (const length of LENGTHS) {
      process.stderr.write(`${name}: ${length} tokens\n`);
      const bytes = await measure(wideCheckpoint(length));
      row.push(inMB(bytes));
      const most = MOST * length;
      if (bytes > most) wrong.push(`${name} takes ${inMB(bytes)} for ${length} tokens; at most ${inMB(most)}`);
    }
    rows.push(row);
  }
  return [{ title: `${WIDTH} wide, a global and a local layer; more than a document of one word takes`, rows, wrong }];
}

async function commandLine({ folder }) {
  const scratch = mkdtempSync(join(tmpdir(), "tabrank-"));
  const peak = (text) => {
    const input = join(scratch, "documents.jsonl");
    writeFileSync(input, `${JSON.stringify({ text })}\n`);
    return peakOf(needCli(), ["rerank", "--model", folder, "--query", SHORT], input);
  };
  try {
    return (await peak(TEXT)) - (await peak(SHORT));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** In a module of its own, which Node.js runs as a browser does. */
async function wasmMemory({ folder }) {
  const glue = await import(`${pathToFileURL(need("pkg/wasm/tabrank.js", "make site"))}?${folder}`);
  const { memory } = await glue.default({ module_or_path: readFileSync(needWasm()) });
  const engine = await glue.Engine.load(gathered(new glue.Checkpoint(), folder), { device: "cpu" }, {});
  await engine.rerank(SHORT, [SHORT], {}, {});
  const before = memory.buffer.byteLength;
  await engine.rerank(SHORT, [TEXT], {}, {});
  return memory.buffer.byteLength - before;
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
