#!/usr/bin/env node
// Usage: quality.mjs TABRANK CHECKPOINT DATA FOLDER
// Converts the checkpoint into every type below FOLDER, evaluates all on DATA, and prints the table of docs/explanation/figures.md.
// Fails if a type loses more than it may.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const [tabrank, checkpoint, data, folder] = process.argv.slice(2);
const TYPES = ["f32", "f16", "q8", "q4"];
const LIMITS = {
  q8: { mean_cosine: 0.9985, "overlap@10": 9.7, loss: 0.4, megabytes: 24 },
  q4: { mean_cosine: 0.97, "overlap@10": 9.1, loss: 0.8, megabytes: 15 },
};

const run = (...args) => execFileSync(tabrank, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
mkdirSync(folder, { recursive: true });
const bundles = TYPES.map((dtype) => {
  const path = join(folder, dtype);
  rmSync(path, { recursive: true, force: true });
  process.stderr.write(run("convert", checkpoint, "--dtype", dtype, "-o", path));
  return path;
});
const report = JSON.parse(run("eval", "--model", checkpoint, ...bundles.flatMap((path) => ["--compare", path]), "--data", data, "--json"));

const [first, reranked] = report.approaches;

const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length;
const rows = report.compared.map((model, index) => {
  const entries = readdirSync(bundles[index], { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
  const sum = (measure) => files.reduce((total, file) => total + measure(file), 0) / 1e6;
  return { ...model, megabytes: sum((file) => file.length), compressed: sum(brotli), loss: 100 * (reranked["ndcg@10"] - model.reranked["ndcg@10"]) };
});

console.log("| weights | bundle, MB | brotli, MB | nDCG@10 | MRR@10 | token cosine: mean | worst | shared top 10 | identical top 10 |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
console.log(`| dense first stage | | | ${first["ndcg@10"].toFixed(4)} | ${first["mrr@10"].toFixed(4)} | | | | |`);
for (const row of rows) {
  const { dtype, megabytes, compressed, reranked, mean_cosine, worst_cosine } = row;
  const cells = [dtype, megabytes.toFixed(1), compressed.toFixed(1), reranked["ndcg@10"].toFixed(4), reranked["mrr@10"].toFixed(4)];
  cells.push(mean_cosine.toFixed(4), worst_cosine.toFixed(3), row["overlap@10"].toFixed(2), `${(100 * row["identical@10"]).toFixed(1)} %`);
  console.log(`| ${cells.join(" | ")} |`);
}

const missed = rows.flatMap((row) => {
  const limits = LIMITS[row.dtype];
  if (!limits) return [];
  const fine = row.mean_cosine >= limits.mean_cosine && row["overlap@10"] >= limits["overlap@10"] && row.loss <= limits.loss && row.megabytes <= limits.megabytes;
  return fine ? [] : [`${row.dtype}: of ${JSON.stringify(limits)} it has cosine ${row.mean_cosine}, overlap ${row["overlap@10"]}, loss ${row.loss}, ${row.megabytes} MB`];
});
missed.forEach((line) => console.error(line));
process.exitCode = missed.length > 0 ? 1 : 0;
