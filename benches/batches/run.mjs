// How many tokens of several texts are best computed together? Encodes the same texts in batches of 128 to 2,048 tokens, one thread, by
// the wasm modules in Node's V8 and natively, all sizes in turns, and prints the least microseconds a token of each. Embeddings are the
// same whatever the size. Usage: node run.mjs [RUNS] [--texts N] [--corpus DIR] [--markdown]
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { prepareBundle } from "../../tests/web/lib/bundles.mjs";
import { needCli, needMiniLm, needWasm } from "../../tests/web/lib/paths.mjs";
import { argumentsOf } from "../browser/lib/arguments.mjs";
import { table } from "../browser/lib/format.mjs";

const ROOT = join(import.meta.dirname, "../..");
const MODEL = join(ROOT, "models/all-MiniLM-L6-v2");
const SIZES = ["128", "256", "512", "1024", "2048"];
const MODULES = { "wasm, relaxed SIMD": "tabrank_relaxed_bg.wasm", wasm: "tabrank_bg.wasm" };

const OPTIONS = {
  allowPositionals: true,
  options: { texts: { type: "string", default: "32" }, corpus: { type: "string", default: join(ROOT, "tests/data/squad-dev-a") }, markdown: { type: "boolean", default: false } },
};
const { values: options, positionals } = argumentsOf(OPTIONS, { counts: ["texts"] });

async function main() {
  for (const need of [needWasm, needCli, needMiniLm]) need();
  const folder = join(ROOT, "target/bench");
  mkdirSync(folder, { recursive: true });
  const texts = join(folder, "batch-texts.json");
  const lines = readFileSync(join(options.corpus, "corpus.jsonl"), "utf8").split("\n").slice(0, Number(options.texts));
  writeFileSync(texts, JSON.stringify(lines.map((line) => JSON.parse(line).text)));
  const folders = { f32: MODEL, ...Object.fromEntries(["q8", "q4"].map((dtype) => [dtype, prepareBundle(`batches-${dtype}`, "models/all-MiniLM-L6-v2", dtype).folder])) };
  const rows = [["microseconds a token", ...SIZES.map((size) => `${Number(size).toLocaleString("en")} tokens`)]];
  const native = nativeEncoder();
  for (const dtype of Object.keys(folders)) {
    for (const [name, module] of Object.entries(MODULES)) {
      const all = start(process.execPath, [join(import.meta.dirname, "wasm.mjs"), join(ROOT, "pkg/wasm", module), folders[dtype], texts, SIZES.join()]);
      rows.push([`${dtype}, ${name}`, ...(await inTurns(SIZES.map((size) => ({ encode: () => all.ask(size), end: all.end }))))]);
    }
    const one = SIZES.map((size) => start(native, [MODEL, dtype, texts, "1", size]));
    rows.push([`${dtype}, native`, ...(await inTurns(one.map(({ ask, end }) => ({ encode: () => ask(""), end }))))]);
  }
  process.stdout.write(`${table(rows, options).join("\n")}\n`);
}

/** Our side of `make native`, built. */
function nativeEncoder() {
  const build = ["build", "--release", "--locked", "--features", "cli", "--bench", "encode", "--message-format", "json-render-diagnostics"];
  const messages = execFileSync("cargo", build, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });
  return messages.trim().split("\n").map((message) => JSON.parse(message)).find(({ executable, target }) => executable && target.name === "encode").executable;
}

/** A process that answers a line with one of JSON. */
function start(program, parameters) {
  const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line) => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(`${program} has ended`);
    return JSON.parse(value);
  };
  return { ask, end: () => child.stdin.end() };
}

/** Microseconds a token of each, the least of some rounds: the first ones find cold code. */
async function inTurns(sides) {
  const best = sides.map(() => Infinity);
  for (let round = 0; round <= Number(positionals[0] ?? 5); round += 1) {
    for (const [place, { encode }] of sides.entries()) {
      const { ms, embeddings } = await encode();
      best[place] = Math.min(best[place], (1_000 * ms) / embeddings);
    }
  }
  for (const { end } of sides) end();
  return best.map((microseconds) => microseconds.toFixed(1));
}

main().catch((error) => {
  process.stderr.write(`batches: ${error.message}\n`);
  process.exit(1);
});
