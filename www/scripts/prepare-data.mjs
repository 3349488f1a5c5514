// Makes what the page serves: the corpus with its vectors and its index, the example questions with theirs, and the model, as it is and quantized.
//
//   node scripts/prepare-data.mjs --tabrank ../target/release/tabrank --model ../models/all-MiniLM-L6-v2 \
//     --corpus ../tests/data/squad-dev-a --out public/data
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

// Questions with which MaxSim lifts the right paragraph to the first place; in brackets its place in the dense order.
const EXAMPLES = [
  "56dfa7887aa994140058dfaa", // Why did Tesla sever ties with his family? (15)
  "572fad30a23a5019007fc86d", // Which sea was oil discovered in? (14)
  "56f89a959b226e1400dd0c9d", // What book did Luther read in 1542? (16)
  "57273cca708984140094db33", // Who normally manages a construction job? (8)
  "5726ddf6f1498d1400e8ee06", // Who authored the Liber servitoris? (8)
  "56bebcbe3aeaaa14008c9326", // In what city is the Moscone Center located? (6)
  "5727f2583acd2414000df087", // What planet is Doctor Who from? (5)
  "5733314e4776f4190066076c", // What river does Warsaw straddle? (4)
];

/** Types of weights that the page offers beside the model's own. */
const DTYPES = ["q8", "q4"];

/** Whose embeddings the index holds: the weights that the page loads unless others are asked for. */
const INDEXED = "q8";

const { values: options } = parseArgs({
  options: {
    tabrank: { type: "string" },
    model: { type: "string" },
    corpus: { type: "string" },
    out: { type: "string", default: "public/data" },
    models: { type: "string", default: "public/models" },
    // "mean" for a checkpoint whose own modules pool nothing, as a ColBERT's.
    pooling: { type: "string", default: "checkpoint" },
  },
});
for (const name of ["tabrank", "model", "corpus"]) {
  if (options[name] === undefined) fail(`--${name} is missing`);
}

await mkdir(options.out, { recursive: true });
await copyFile(join(options.corpus, "corpus.jsonl"), join(options.out, "documents.jsonl"));
await writeFile(join(options.out, "queries.jsonl"), await exampleLines(options.corpus));
await encode("query", "queries");
await encode("document", "documents");
await linkModel(options.model, options.models);
for (const dtype of DTYPES) await convert(dtype);
await index();
await writeFile(join(options.models, "sizes.json"), `${JSON.stringify(await folderSizes(options.models))}\n`);

async function exampleLines(corpus) {
  const questions = new Map((await readLines(join(corpus, "queries.jsonl"))).map(JSON.parse).map((q) => [q.id, q]));
  const judged = (await readLines(join(corpus, "qrels.tsv"))).map((line) => line.split("\t"));
  const relevant = new Map(judged.map(([question, paragraph]) => [question, paragraph]));
  const lines = EXAMPLES.map((id) => {
    const question = questions.get(id) ?? fail(`the corpus has no question ${id}`);
    return JSON.stringify({ id, text: question.text, relevant: relevant.get(id) });
  });
  return `${lines.join("\n")}\n`;
}

async function readLines(path) {
  return (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
}

/** Vectors get their name only when they are complete, so an interrupted run leaves nothing that looks done. */
async function encode(kind, name) {
  const part = join(options.out, `${name}.part`);
  await tabrank(["encode", "--model", options.model, "--kind", kind, "--pooling", options.pooling, "-o", part], join(options.out, `${name}.jsonl`));
  await rename(part, join(options.out, `${name}.safetensors`));
}

/** A bundle beside the model; the command gives it its name only when it is complete, and overwrites none. */
async function convert(dtype) {
  const bundle = join(options.models, `${basename(resolve(options.model))}-${dtype}`);
  await rm(bundle, { recursive: true, force: true });
  await tabrank(["convert", options.model, "--dtype", dtype, "-o", bundle]);
}

/** The index of all paragraphs; the command swaps it when it is complete. */
async function index() {
  const bundle = join(options.models, `${basename(resolve(options.model))}-${INDEXED}`);
  await tabrank(["index", "build", join(options.out, "documents.jsonl"), "--model", bundle, "-o", join(options.out, "index")]);
}

async function tabrank(args, input) {
  const child = spawn(resolve(options.tabrank), args, { stdio: [input === undefined ? "ignore" : "pipe", "inherit", "inherit"] });
  // A program that ends early closes its input; its exit code says why.
  child.stdin?.on("error", () => {});
  if (input !== undefined) createReadStream(input).pipe(child.stdin);
  const code = await new Promise((done, failed) => child.on("close", done).on("error", failed));
  if (code !== 0) fail(`tabrank ${args[0]} ended with code ${code}`);
}

/** Bytes that the page downloads for each model: of a bundle all files, of the checkpoint its weights. */
async function folderSizes(models) {
  const model = basename(resolve(options.model));
  const sizes = [[model, (await stat(join(models, model, "model.safetensors"))).size]];
  for (const dtype of DTYPES) {
    const bundle = `${model}-${dtype}`;
    const files = await readdir(join(models, bundle), { recursive: true });
    const lengths = await Promise.all(files.map(async (file) => lengthOf(await stat(join(models, bundle, file)))));
    sizes.push([bundle, lengths.reduce((sum, length) => sum + length, 0)]);
  }
  return Object.fromEntries(sizes);
}

function lengthOf(entry) {
  return entry.isFile() ? entry.size : 0;
}

async function linkModel(model, models) {
  const link = join(models, basename(resolve(model)));
  await mkdir(models, { recursive: true });
  await rm(link, { recursive: true, force: true });
  await symlink(relative(dirname(resolve(link)), resolve(model)), link);
}

function fail(message) {
  console.error(`prepare-data: ${message}`);
  process.exit(1);
}
