#!/usr/bin/env node
// Usage: vectors.mjs TABRANK CHECKPOINT FOLDER DATA…
// Trains residual codecs on a part of each data set's documents, holds every codec and token pooling against all embeddings in f32, and prints the table of
// docs/explanation/figures.md. Fails if one loses more than it may. What it makes lies below FOLDER.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

const [tabrank, checkpoint, folder, ...sets] = process.argv.slice(2);
const NBITS = [4, 2, 1];
/** Of so many documents one is what codecs are trained on. */
const SAMPLED = 4;
/** Candidates that are scored once more, of the hundred. */
const SECOND_PASS = 20;
/** Points of nDCG@10 that may be lost, in hundredths. */
const LIMITS = { int8: 0.1, "residual, 2 bits": 1, [`binary, then int8:${SECOND_PASS}`]: 1 };

const run = (args, input = "") => execFileSync(tabrank, args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "inherit"] });

function train(data, name) {
  const sample = join(folder, `${name}.safetensors`);
  const lines = readFileSync(join(data, "corpus.jsonl"), "utf8").split("\n");
  run(["encode", "--model", checkpoint, "-o", sample], lines.filter((_, place) => place % SAMPLED === 0).join("\n"));
  return NBITS.map((nbits) => {
    const codec = join(folder, `${name}-${nbits}.codec`);
    run(["codec", "train", sample, "--nbits", String(nbits), "-o", codec]);
    return { nbits, codec };
  });
}

function evaluate(data) {
  const name = basename(resolve(data));
  const residual = train(data, name);
  const ways = ["f32", "f16", "int8", ...residual.map(({ codec }) => codec), "binary", `binary,then=int8:${SECOND_PASS}`, "int8,pool=2", "int8,pool=3"];
  const report = JSON.parse(run(["eval", "--model", checkpoint, "--data", data, "--json", ...ways.flatMap((way) => ["--codec", way])]));
  const named = ({ codec }) => {
    const own = residual.find((trained) => trained.codec === codec);
    return own ? `residual, ${own.nbits} bit${own.nbits > 1 ? "s" : ""}` : codec;
  };
  return { name, rows: report.codecs.map((row) => ({ ...row, codec: named(row) })) };
}

mkdirSync(folder, { recursive: true });
const reports = sets.map(evaluate);

const HEAD = ["bytes a document", "nDCG@10", "shared top 10", "ms for 100", "for 1,000"];
console.log(`| codec | ${reports.map(({ name }) => `${name}: ${HEAD.join(" | ")}`).join(" | ")} |`);
console.log(`| --- |${" ---: |".repeat(HEAD.length * reports.length)}`);
const cells = (row) => [Math.round(row.bytes).toLocaleString("en"), row["ndcg@10"].toFixed(4), row["overlap@10"].toFixed(2), ...[row.ms_100, row.ms_1000].map((ms) => ms?.toFixed(1) ?? "")];
for (const [place, { codec }] of reports[0].rows.entries()) console.log(`| ${codec} | ${reports.flatMap(({ rows }) => cells(rows[place])).join(" | ")} |`);

for (const { name, rows } of reports) {
  for (const [codec, limit] of Object.entries(LIMITS)) {
    const loss = 100 * (rows[0]["ndcg@10"] - rows.find((row) => row.codec === codec)["ndcg@10"]);
    const held = loss <= limit;
    const lost = loss.toFixed(2).replace("-0.00", "0.00");
    console.error(`${held ? "held" : "MISSED"}: ${codec} loses ${lost} points on ${name}; at most ${limit}`);
    if (!held) process.exitCode = 1;
  }
}
