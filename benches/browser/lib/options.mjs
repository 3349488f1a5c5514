// The command line.
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const ROOT = resolve(HERE, "../..");

const USAGE = `node run.mjs [options]

  --runs N           warm reranks of each contestant, the median counts (3)
  --documents N      documents to rerank on the CPU (100)
  --only A,B         only these contestants, by id
  --json FILE        write the raw figures
  --chromium FILE    browser to launch ($CHROMIUM, else /usr/bin/chromium)
  --package DIR      built npm package (pkg)
  --model DIR        checkpoint folder (models/all-MiniLM-L6-v2)
  --onnx DIR         where export_onnx.py put the model's folder (target/bench/onnx)
  --limit SECONDS    longest wait for one step of a contestant (1800)
`;

const FLAGS = {
  runs: { type: "string", default: "3" },
  documents: { type: "string", default: "100" },
  only: { type: "string" },
  json: { type: "string" },
  chromium: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
  package: { type: "string", default: join(ROOT, "pkg") },
  model: { type: "string", default: join(ROOT, "models/all-MiniLM-L6-v2") },
  onnx: { type: "string", default: join(ROOT, "target/bench/onnx") },
  limit: { type: "string", default: "1800" },
  help: { type: "boolean", default: false },
};

export function options(argv) {
  const { values } = parseArgs({ args: argv, options: FLAGS });
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const model = resolve(values.model);
  return {
    runs: count("runs", values.runs),
    documents: count("documents", values.documents),
    limit: count("limit", values.limit),
    only: values.only?.split(","),
    json: values.json && resolve(values.json),
    chromium: values.chromium,
    modelName: basename(model),
    paths: {
      here: HERE,
      model,
      onnx: resolve(values.onnx),
      package: resolve(values.package),
      corpus: join(ROOT, "tests/data/squad-dev-a"),
      scratch: join(ROOT, "target/bench"),
    },
  };
}

function count(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, not "${text}"`);
  return value;
}
