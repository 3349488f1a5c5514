#!/usr/bin/env node
// Usage: run.mjs --python PROGRAM --model DIR --onnx DIR --corpus DIR [--texts N] [--runs N] [--threads N,N]
// Encodes the same texts natively by Tabrank, PyTorch and onnxruntime, in turns, and prints a table for each number of threads. Fails
// if one of them computes something else.
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { argumentsOf } from "../browser/lib/arguments.mjs";

const OPTIONS = {
  options: {
    python: { type: "string" },
    model: { type: "string" },
    onnx: { type: "string" },
    corpus: { type: "string" },
    texts: { type: "string", default: "128" },
    runs: { type: "string", default: "5" },
    threads: { type: "string", default: `1,${availableParallelism()}` },
  },
};
const { values: options } = argumentsOf(OPTIONS, { needed: ["python", "model", "onnx", "corpus"], counts: ["texts", "runs"], lists: ["threads"] });

const folder = join(import.meta.dirname, "../../target/bench");
const texts = join(folder, "native-texts.json");
const lines = readFileSync(join(options.corpus, "corpus.jsonl"), "utf8").split("\n").slice(0, Number(options.texts));
writeFileSync(texts, JSON.stringify(lines.map((line) => JSON.parse(line).text)));

/** Our side, built. */
function encoder() {
  const build = ["build", "--release", "--locked", "--features", "cli", "--bench", "encode", "--message-format", "json-render-diagnostics"];
  const messages = execFileSync("cargo", build, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });
  const artifacts = messages.trim().split("\n").map((line) => JSON.parse(line));
  return artifacts.find(({ executable, target }) => executable && target.name === "encode").executable;
}

const ours = encoder();
const peer = (what) => [options.python, join(import.meta.dirname, "peer.py"), what];
const onnx = (name) => peer(join(options.onnx, "onnx", `${name}.onnx`));
// The least cosine of the first text's embeddings with PyTorch's that each may have, on average.
const CONTESTANTS = [
  { name: "PyTorch f32", command: [...peer("torch"), options.model], cosine: 0.99999 },
  { name: "onnxruntime fp32", command: [...onnx("model_optimized"), options.model], cosine: 0.99999 },
  { name: "onnxruntime int8", command: [...onnx("model_optimized_quantized"), options.model], cosine: 0.98 },
  ...[["f32", 0.99999], ["q8", 0.998], ["q4", 0.95]].map(([dtype, cosine]) => ({ name: `Tabrank ${dtype}`, command: [ours, options.model, dtype], cosine })),
];

function start({ name, command: [program, ...rest] }, threads) {
  // PyTorch's libraries have threads of their own.
  const env = { ...process.env, OMP_NUM_THREADS: threads, MKL_NUM_THREADS: threads };
  const child = spawn(program, [...rest, texts, threads], { stdio: ["pipe", "pipe", "ignore"], env });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async encode() {
      child.stdin.write("\n");
      const { value, done } = await answers.next();
      if (done) throw new Error(`${name} has ended`);
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}

function cosine(a, b, width) {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += a[at] * b[at];
  return sum / (a.length / width);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Runs all in turns, the first round unmeasured; answers the last round's answers with the times of all. */
async function inTurns(threads) {
  const running = CONTESTANTS.map((contestant) => start(contestant, threads));
  const results = CONTESTANTS.map(() => ({ times: [] }));
  for (let round = 0; round <= Number(options.runs); round += 1) {
    for (const [place, each] of running.entries()) {
      const { ms, ...answer } = await each.encode();
      Object.assign(results[place], answer);
      if (round > 0) results[place].times.push(ms);
    }
  }
  running.forEach((each) => each.end());
  return results;
}

const width = JSON.parse(readFileSync(join(options.model, "config.json"), "utf8")).hidden_size;
let wrong = false;
for (const threads of [...new Set(options.threads.split(","))]) {
  const results = await inTurns(threads);
  const [torch] = results;
  console.log(`\n${cpus()[0].model}, threads: ${threads}, tokens: ${torch.embeddings}, median of ${options.runs} in turns\n`);
  console.log("| | seconds | least | tokens a second | times PyTorch | cosine with PyTorch |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
  for (const [place, { name, cosine: least }] of CONTESTANTS.entries()) {
    const { times, embeddings, first } = results[place];
    const ms = median(times);
    const alike = cosine(first, torch.first, width);
    const cells = [(ms / 1e3).toFixed(2), (Math.min(...times) / 1e3).toFixed(2), Math.round(embeddings / ms * 1e3), (median(torch.times) / ms).toFixed(2), alike.toFixed(5)];
    console.log(`| ${[name, ...cells].join(" | ")} |`);
    if (embeddings !== torch.embeddings || !(alike >= least)) {
      console.error(`${name} computes something else: ${embeddings} embeddings, cosine ${alike}`);
      wrong = true;
    }
  }
}
process.exitCode = wrong ? 1 : 0;
