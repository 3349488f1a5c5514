#!/usr/bin/env node
// Usage: approaches.mjs TABRANK CHECKPOINT DATA… [-- ARGUMENTS OF tabrank eval]
// Evaluates every way to rank on each of the folders, and prints the tables of them in docs/explanation/figures.md.
import { execFileSync } from "node:child_process";
import { basename, resolve } from "node:path";

const [tabrank, checkpoint, ...rest] = process.argv.slice(2);
const end = rest.includes("--") ? rest.indexOf("--") : rest.length;
const [folders, more] = [rest.slice(0, end), rest.slice(end + 1)];

const cell = (value, digits) => (value === null ? "" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
for (const folder of folders) {
  const args = ["eval", "--model", checkpoint, "--data", folder, "--json", "--fuse", "ranks", "--fuse", "scores", ...more];
  const report = JSON.parse(execFileSync(tabrank, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));
  console.log(`\n${basename(resolve(folder))}: ${report.queries} queries, ${report.documents} documents\n`);
  console.log("| approach | nDCG@10 | MRR@10 | Recall@100 | ms a query | ms from texts | bytes a document |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const row of report.approaches) {
    const quality = ["ndcg@10", "mrr@10", "recall@100"].map((measure) => cell(row[measure], 4));
    const cells = [row.approach, ...quality, cell(row.ms, 2), cell(row.ms_from_texts, 0), cell(row.bytes, 0)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
