// The command line.
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CURVES } from "./curves.mjs";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const ROOT = resolve(HERE, "../..");

const USAGE = `node run.mjs [options]

  --runs N           warm reranks of each contestant, in turns; the median counts (3)
  --documents N      documents to rerank on the CPU (100); a tenth of them where the model is large
  --only A,B         only these contestants, by id, or by GROUP: all of a group; forms for the byte product and maxsim for MaxSim alone,
                     vectors for documents that need not be encoded, pages for a page that is an image
  --json FILE        write the raw figures
  --from FILE        measure nothing, print what --json wrote
  --markdown         print the tables as Markdown, for docs/explanation/figures.md
  --chromium FILE    browser to launch ($CHROMIUM, else /usr/bin/chromium)
  --package DIR      built npm package (pkg)
  --baseline DIR     another one, of an older version say: its q8 takes turns with the others
  --model DIR        checkpoint folder (models/all-MiniLM-L6-v2)
  --random DIR       where random_checkpoint.py put its checkpoints (target/bench/models)
  --pages DIR        where random_page_checkpoint.py put its own (target/bench/page-models)
  --onnx DIR         where export_onnx.py put the models' folders (target/bench/onnx)
  --python FILE      with numpy, for MaxSim beside it (target/bench/python/bin/python)
  --bundles DIR      where MODEL/q8/ and MODEL/q4/ of tabrank convert are (target/bench/bundles)
  --limit SECONDS    longest wait for one step of a contestant (600)
`;

const FLAGS = {
  runs: { type: "string", default: "3" },
  documents: { type: "string", default: "100" },
  only: { type: "string" },
  json: { type: "string" },
  from: { type: "string" },
  markdown: { type: "boolean", default: false },
  chromium: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
  package: { type: "string", default: join(ROOT, "pkg") },
  baseline: { type: "string" },
  model: { type: "string", default: join(ROOT, "models/all-MiniLM-L6-v2") },
  random: { type: "string", default: join(ROOT, "target/bench/models") },
  pages: { type: "string", default: join(ROOT, "target/bench/page-models") },
  onnx: { type: "string", default: join(ROOT, "target/bench/onnx") },
  python: { type: "string", default: join(ROOT, "target/bench/python/bin/python") },
  bundles: { type: "string", default: join(ROOT, "target/bench/bundles") },
  limit: { type: "string", default: "600" },
  help: { type: "boolean", default: false },
};

const CURVE_USAGE = `node curves.mjs [options]

  --runs N           warm reranks of each point; the median counts (3)
  --most N           documents of the longest list (1000)
  --calls N          calls of the last curve (200)
  --only A,B         only these curves: ${Object.keys(CURVES).join(", ")}
  --out DIR          draw them into this folder
  --json, --from, --chromium, --package, --model, --bundles, --limit: as of run.mjs
`;

const CURVE_FLAGS = {
  ...FLAGS,
  most: { type: "string", default: "1000" },
  calls: { type: "string", default: "200" },
  out: { type: "string" },
};

export function options(argv) {
  const { values } = parseArgs({ args: argv, options: FLAGS });
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  return {
    ...shared(values),
    documents: count("documents", values.documents),
    only: values.only?.split(","),
    markdown: values.markdown,
  };
}

/** Those of curves.mjs. */
export function curveOptions(argv) {
  const { values } = parseArgs({ args: argv, options: CURVE_FLAGS });
  if (values.help) {
    process.stdout.write(CURVE_USAGE);
    process.exit(0);
  }
  const only = values.only?.split(",") ?? Object.keys(CURVES);
  const unknown = only.find((name) => !Object.hasOwn(CURVES, name));
  if (unknown) throw new Error(`no curve "${unknown}"; there are ${Object.keys(CURVES).join(", ")}`);
  return { ...shared(values), only, most: count("most", values.most), calls: count("calls", values.calls), out: values.out && resolve(values.out) };
}

function shared(values) {
  const model = resolve(values.model);
  return {
    runs: count("runs", values.runs),
    limit: count("limit", values.limit),
    json: values.json && resolve(values.json),
    from: values.from && resolve(values.from),
    chromium: values.chromium,
    modelName: basename(model),
    paths: {
      here: HERE,
      model,
      random: resolve(values.random),
      pages: resolve(values.pages),
      onnx: resolve(values.onnx),
      python: resolve(values.python),
      bundles: resolve(values.bundles),
      package: resolve(values.package),
      baseline: values.baseline && resolve(values.baseline),
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
