// Usage: node scripts/size.mjs
// What each file that a page fetches weighs, held against its budget, and what takes the room in the wasm modules: the code of each crate and of each module of
// ours, before wasm-opt, which leaves names out. Fails where a file is over its budget.
import { readFile } from "node:fs/promises";
import { crateOf, moduleOf } from "./crate-names.mjs";
import { BUDGETS, sizeOf } from "./module-sizes.mjs";
import { wasmContents } from "./wasm-sections.mjs";

const NAMED = new URL("../target/named/pkg/wasm/", import.meta.url);
const MODULES = { "tabrank.wasm": "tabrank_bg.wasm", "tabrank-gpu.wasm": "tabrank_gpu_bg.wasm", "tabrank-images.wasm": "tabrank_images_bg.wasm" };
const OURS = "tabrank";
/** Rows of a table; what is left is one more. */
const ROWS = 24;

const sizes = await Promise.all(Object.keys(BUDGETS).map(sizeOf));
for (const { name, raw, brotli, budget } of sizes) console.log(row(name, raw, brotli, `budget ${kB(budget)}`));
for (const [name, file] of Object.entries(MODULES)) printModule(name, wasmContents(await readFile(new URL(file, NAMED))));

const over = sizes.filter(({ brotli, budget }) => brotli > budget);
for (const { name, brotli, budget } of over) console.error(`${name} has ${brotli} bytes by brotli; its budget is ${budget}`);
process.exitCode = over.length > 0 ? 1 : 0;

function printModule(name, { sections, functions }) {
  console.log(`\n${name}, before wasm-opt: code ${kB(sections.code)}, data ${kB(sections.data)}`);
  print(functions, ({ name }) => crateOf(name));
  console.log(`\n${name}, ${OURS}'s own code:`);
  print(functions.filter(({ name }) => crateOf(name) === OURS), ({ name }) => moduleOf(name, OURS));
}

function print(functions, keyOf) {
  const sums = new Map();
  for (const each of functions) sums.set(keyOf(each), (sums.get(keyOf(each)) ?? 0) + each.bytes);
  const sorted = [...sums].sort(([, a], [, b]) => b - a);
  for (const [key, bytes] of sorted.slice(0, ROWS)) console.log(row(key, bytes));
  const rest = sorted.slice(ROWS);
  if (rest.length > 0) console.log(row(`${rest.length} more`, rest.reduce((sum, [, bytes]) => sum + bytes, 0)));
}

function row(name, ...cells) {
  return [name.padEnd(24), ...cells.map((cell) => (typeof cell === "number" ? kB(cell) : cell).padStart(12))].join("");
}

function kB(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
