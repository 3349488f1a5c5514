// One side of `make batches`: a model in this process's V8, once for each number of tokens that a batch may have. Each line of stdin, a
// number of them, is answered by one of JSON: the milliseconds that the texts took, and how many embeddings came out. Usage: node wasm.mjs MODULE FOLDER TEXTS TOKENS,TOKENS
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import * as glue from "../../pkg/wasm/tabrank.js";

const [module, folder, texts, sizes] = process.argv.slice(2);

const files = new Map(
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .map((path) => [relative(folder, path).split(sep).join("/"), path]),
);

function checkpoint() {
  const checkpoint = new glue.Checkpoint();
  for (let wanted = checkpoint.wanted(); wanted.length > 0; wanted = checkpoint.wanted()) {
    for (const { name } of wanted) {
      if (files.has(name)) checkpoint.add(name, readFileSync(files.get(name)));
      else checkpoint.addMissing(name);
    }
  }
  return checkpoint;
}

// Newer versions of V8 have it without being told.
setFlagsFromString("--experimental-wasm-relaxed-simd");
await glue.default({ module_or_path: readFileSync(module) });
const forms = glue.measureProductForms();
if (forms.length > 0) glue.useProductForm(forms.reduce((best, other) => (other.gops > best.gops ? other : best)).form);
const engines = new Map();
for (const tokens of sizes.split(",")) engines.set(tokens, await glue.Engine.load(checkpoint(), { device: "cpu", cpuBatchTokens: Number(tokens) }, {}));
const documents = JSON.parse(readFileSync(texts, "utf8"));
for await (const tokens of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const { lengths } = await engines.get(tokens).encode("document", documents, { pooling: "none" }, {});
  const ms = performance.now() - start;
  process.stdout.write(`${JSON.stringify({ ms, embeddings: lengths.reduce((sum, length) => sum + length, 0) })}\n`);
}
