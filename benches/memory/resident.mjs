// Peak resident memory of the command line, texts not counted (Linux: the kernel's own high-water mark).
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBundle } from "../../tests/web/lib/bundles.mjs";
import { needCli, needMiniLm } from "../../tests/web/lib/paths.mjs";
import { longTexts, questions } from "../../tests/web/lib/texts.mjs";

const MB = 1e6;
const COUNTS = [1000, 5000];
/** Bytes that more documents may take, their texts apart. */
const GROWTH = 100 * MB;
/** The same of `tabrank encode`, which reads its texts as they come and holds nine bytes of each. */
const GROWTH_STREAMED = 10 * MB;
/** Milliseconds between two looks at the mark; it only rises, so that the last look is the one that counts. */
const INTERVAL = 5;
const QUERIES = 4;

export async function resident() {
  if (!existsSync("/proc/self/status")) return [{ title: "resident memory: not measured, there is no /proc", rows: [["-"]], wrong: [] }];
  const tabrank = needCli();
  needMiniLm();
  const { folder: model } = prepareBundle("memory-bench", "models/all-MiniLM-L6-v2", "q8");
  const folder = mkdtempSync(join(tmpdir(), "tabrank-"));
  try {
    return [await measured(tabrank, model, folder)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measured(tabrank, model, folder) {
  const rows = [["resident memory", ...COUNTS.map((count) => `${count.toLocaleString("en")} documents`), "growth"]];
  const wrong = [];
  for (const [name, prepare] of Object.entries(COMMANDS)) {
    const peaks = [];
    for (const count of COUNTS) {
      process.stderr.write(`tabrank ${name}: ${count} documents\n`);
      const { parameters, input, textBytes = 0 } = prepare(model, folder, count);
      peaks.push((await peakOf(tabrank, parameters, input)) - textBytes);
    }
    const growth = peaks.at(-1) - peaks[0];
    rows.push([`tabrank ${name}`, ...peaks.map(inMB), inMB(growth)]);
    const limit = name === "encode" ? GROWTH_STREAMED : GROWTH;
    if (growth > limit) wrong.push(`tabrank ${name} takes ${inMB(growth)} more for ${COUNTS.at(-1)} documents than for ${COUNTS[0]}; at most ${inMB(limit)}`);
  }
  return { title: `peak of the command line less the texts that it holds, q8, documents of 256 tokens; at most ${inMB(GROWTH)} growth, ${inMB(GROWTH_STREAMED)} of encode`, rows, wrong };
}

const COMMANDS = {
  rerank(model, folder, count) {
    const input = join(folder, "candidates.jsonl");
    const textBytes = writeLines(input, longTexts(count).map((text) => ({ text })));
    return { parameters: ["rerank", "--model", model, "--query", questions(1)[0].text, "--top-k", "10"], input, textBytes };
  },
  encode(model, folder, count) {
    const input = join(folder, "documents.jsonl");
    writeLines(input, longTexts(count).map((text) => ({ text })));
    return { parameters: ["encode", "--model", model, "--codec", "int8", "-o", join(folder, "documents.safetensors")], input };
  },
  eval(model, folder, count) {
    const data = join(folder, `eval-${count}`);
    mkdirSync(data);
    const textBytes = writeLines(join(data, "corpus.jsonl"), longTexts(count).map((text, index) => ({ id: `d${index}`, title: "", text })));
    const asked = questions(QUERIES);
    writeLines(join(data, "queries.jsonl"), asked.map(({ id, text }) => ({ id, text })));
    writeFileSync(join(data, "qrels.tsv"), asked.map(({ id }, index) => `${id}\td${index}\t1\n`).join(""));
    return { parameters: ["eval", "--model", model, "--data", data, "--json"], textBytes };
  },
};

function writeLines(file, objects) {
  writeFileSync(file, objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
  return statSync(file).size;
}

/** The most that the process held, in bytes. */
export async function peakOf(program, parameters, input) {
  const stdin = input ? openSync(input) : "ignore";
  const child = spawn(program, parameters, { stdio: [stdin, "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (text) => (complaint = `${complaint}${text}`.slice(-500)));
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, highWaterMark(child.pid))), INTERVAL);
  const [code, signal] = await new Promise((resolve, reject) => child.on("error", reject).on("close", (...end) => resolve(end)));
  clearInterval(timer);
  if (input) closeSync(stdin);
  if (code !== 0) throw new Error(`tabrank ${parameters[0]} ended with ${code ?? signal}: ${complaint}`);
  return peak;
}

/** 0 where the process has ended. */
function highWaterMark(pid) {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function inMB(bytes) {
  return `${(bytes / MB).toFixed(1)} MB`;
}
