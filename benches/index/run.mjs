#!/usr/bin/env node
// Usage: run.mjs --tabrank PROGRAM --model DIR [--data DIR]… [--documents N,N] [--queries N] [--sample N]
// Builds indexes of retrieval sets at 2 and 4 bits and of synthetic collections of several sizes, searches them, and prints what they find of the ten
// that score best of all documents as they were, and what that takes, by the first N queries of each. --sample is handed to the synthetic builds.
// What it makes lies below target/index, and the synthetic part of it goes again.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join, resolve } from "node:path";
import { argumentsOf } from "../browser/lib/arguments.mjs";
import { makeCollection } from "./synthetic.mjs";
import { timed } from "./timed.mjs";

const OPTIONS = {
  options: {
    tabrank: { type: "string" },
    model: { type: "string" },
    data: { type: "string", multiple: true, default: [] },
    documents: { type: "string", default: "10000,30000,100000" },
    queries: { type: "string", default: "100" },
    sample: { type: "string" },
  },
};
const { values: options } = argumentsOf(OPTIONS, { needed: ["tabrank", "model"], counts: ["queries"], lists: ["documents"] });
/** PROBE:SCORES, the default first. */
const SETTINGS = ["16:64", "32:256"];
const folder = join(import.meta.dirname, "../../target/index");
mkdirSync(folder, { recursive: true });

const run = (program, args, options = {}) => execFileSync(program, args, { encoding: "utf8", stdio: ["pipe", "pipe", "inherit"], maxBuffer: 1 << 28, ...options });
const tabrank = (args, input = "") => run(options.tabrank, args, { input });

/** Our side, built. */
function bench() {
  const build = ["build", "--release", "--locked", "--features", "cli", "--bench", "index", "--message-format", "json-render-diagnostics"];
  const artifacts = run("cargo", build).trim().split("\n").map((line) => JSON.parse(line));
  return artifacts.find(({ executable, target }) => executable && target.name === "index").executable;
}

const program = bench();
const measure = (index, queries, documents) => run(program, [index, queries, documents, SETTINGS.join(",")]).trim().split("\n").map((line) => JSON.parse(line));
const inspect = (index) => JSON.parse(tabrank(["inspect", "--json", index]));

const kilobytes = (bytes) => Math.round(bytes / 1e3).toLocaleString("en");
const cells = (row) => [`${row.n_ivf_probe} / ${row.n_full_scores}`, row.recall.toFixed(3), kilobytes(row.start_bytes + row.bytes), kilobytes(row.bytes), Math.round(row.parts), row.ms.toFixed(1), row.exhaustive_ms.toFixed(1)];
const HEAD = ["probes / scores", "recall of the best 10", "kB of the first query", "of one more", "parts", "ms a query", "ms for all documents"];

function table(first, rows) {
  console.log(`\n| ${[...first, ...HEAD].join(" | ")} |`);
  console.log(`|${" ---: |".repeat(first.length + HEAD.length)}`);
  rows.forEach((row) => console.log(`| ${row.join(" | ")} |`));
}

function retrieval(data) {
  const name = basename(resolve(data));
  const file = (ending) => join(folder, `${name}${ending}`);
  const read = (part) => readFileSync(join(data, part), "utf8");
  const queries = read("queries.jsonl").split("\n").slice(0, Number(options.queries)).join("\n");
  tabrank(["encode", "--model", options.model, "-o", file(".safetensors")], read("corpus.jsonl"));
  tabrank(["encode", "--model", options.model, "--kind", "query", "-o", file("-queries.safetensors")], queries);
  return ["2", "4"].flatMap((nbits) => {
    const index = file(`-${nbits}`);
    copyFileSync(join(data, "corpus.jsonl"), `${index}.jsonl`);
    tabrank(["index", "build", "--embeddings", file(".safetensors"), `${index}.jsonl`, "--nbits", nbits, "-o", index]);
    const { documents, bytes } = inspect(index);
    return measure(index, file("-queries.safetensors"), file(".safetensors")).map((row) => [name, nbits, kilobytes(bytes), Math.round(bytes / documents).toLocaleString("en"), ...cells(row)]);
  });
}

async function synthetic(documents) {
  const at = join(folder, `synthetic-${documents}`);
  const [rows, lines, queries] = ["documents.safetensors", "documents.jsonl", "queries.safetensors"].map((name) => join(at, name));
  mkdirSync(at, { recursive: true });
  await makeCollection(Number(documents), Number(options.queries), { lines, documents: rows, queries });
  const index = join(at, "documents");
  const { seconds, memory } = timed(options.tabrank, ["index", "build", "--embeddings", rows, lines, "-o", index, ...(options.sample ? ["--sample", options.sample] : [])]);
  const { bytes, centroids } = inspect(index);
  const size = [Number(documents).toLocaleString("en"), centroids.toLocaleString("en"), seconds.toFixed(0), (memory / 1e6).toFixed(0), kilobytes(bytes)];
  const measured = measure(index, queries, rows).map((row) => [...size, ...cells(row)]);
  rmSync(at, { recursive: true });
  return measured;
}

console.log(`${cpus()[0].model}`);
if (options.data.length > 0) table(["set", "bits", "kB", "bytes a document"], options.data.flatMap(retrieval));
if (options.documents) {
  const rows = [];
  for (const documents of options.documents.split(",")) rows.push(...(await synthetic(documents)));
  table(["documents", "centroids", "s to build", "MB to build", "kB"], rows);
}
