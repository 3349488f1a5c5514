// The samples that people copy, of every page and of the comments on what is public: types compile under `strict`, scripts run here or are files of examples, commands have
// the options that they are given. Blocks of Python run in tests/backends/python.test.mjs, the tutorial in tests/web/docs.test.mjs.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { ROOT, codeBlocks, markdownFiles } from "../../scripts/markdown.mjs";
import { complaintsOf, placeOf } from "../../scripts/samples.mjs";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const TABRANK = join(ROOT, "target/release/tabrank");

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const crossEncoder: import("tabrank").Reranker;
declare const index: import("tabrank").Index;
declare const scorer: import("tabrank").Scorer;
declare const query: string, text: string;
declare const documents: string[], texts: string[];
declare const hits: { id: string; title: string; body: string }[];
declare const candidates: { title: string; vectors: import("tabrank").DocumentEmbeddings }[];
declare const response: Response;
declare const pages: { body: string }[];
declare const queryRows: Float32Array, values: Float32Array, lengths: Uint32Array, rows: Int8Array, scales: Float32Array;
declare const queries: import("tabrank").Embeddings;
declare const documentEmbeddings: import("tabrank").Embeddings;
declare const files: Blob[];
declare const configBlob: Blob, tokenizerBlob: Blob, weightsBlob: Blob;
declare const bar: { value: number };
declare function show(...shown: unknown[]): void;
declare function addRow(...cells: unknown[]): void;
declare function outline(rectangle: import("tabrank").Patch["rectangle"], similarity: number): void;
declare function mark(start: number, end: number | null, share: number): void;
declare function askBeforeDownload(bytes?: number): void;
declare function showRetryButton(hint: string | undefined): void;
interface ImportMeta { readonly hot?: { dispose(task: () => void): void } }
`;

const PATHS = { tabrank: [join(PACKAGE, "src/index.ts")], "tabrank/*": [join(PACKAGE, "src/*.ts")] };

const blocks = markdownFiles().flatMap(codeBlocks);

/** How a block is held to what it is about. */
const CHECKS = { json: parse, sh: run, python: compilePython, http: readHeader };
/** All of these are compiled at once, and scripts as well. */
const COMPILED = ["ts", "tsx"];
const SCRIPT = "js";
/** Of `html` and what goes with it the tutorial makes a page, which tests/web/docs.test.mjs opens; `text` is no code. */
const ELSEWHERE = ["html", "text"];
const TUTORIAL = "docs/tutorial.md";

/** Scripts that are files of examples, which `make test-bundlers` builds and opens, by their names. */
const EXAMPLES = { "rollup.config.js": "rollup/rollup.config.js", "build.mjs": "esbuild/build.mjs", "worker.js": "cdn/worker.js" };
/** Scripts that run here. */
const RUN = { "sw.js": keepsFiles, "vite.config.js": leavesOut };

test("every code block is of a language that is looked at", () => {
  const known = [...Object.keys(CHECKS), ...COMPILED, SCRIPT, ...ELSEWHERE];
  expect(blocks.filter(({ language }) => !known.includes(language)).map(placeOf)).toEqual([]);
  expect(blocks.length).toBeGreaterThan(60);
});

test.each(Object.entries(CHECKS))("blocks of %s", (language, check) => {
  const found = blocks.filter((block) => block.language === language);
  expect(found.length).toBeGreaterThan(0);
  found.forEach(check);
}, 60_000);

test("samples compile", () => {
  const sources = readdirSync(join(PACKAGE, "src"), { recursive: true }).filter((file) => file.endsWith(".ts"));
  const written = [...blocks.filter((block) => COMPILED.includes(block.language) && !needsMore(block)), ...scripts.filter((block) => nameOf(block) === undefined).map(asPage)];
  const samples = [...written, ...sources.flatMap(commented)];
  expect(complaintsOf(samples.map(asModule), { home: PACKAGE, given: GIVEN, options: { paths: PATHS } })).toBe("");
}, 60_000);

const scripts = blocks.filter(({ language, file }) => language === SCRIPT && file !== TUTORIAL);

/** Of the title, or of the comment that it begins with. */
const nameOf = ({ name, code }) => name ?? /^\/\/ (\S+)\n/.exec(code)?.[1];
const withoutComments = (code) => code.replace(/^\/\/.*\n|\n(?=\n)/gm, "").trim();

test("scripts with a name are files of the examples, or run", async () => {
  for (const block of scripts.filter((block) => nameOf(block) !== undefined)) {
    const name = nameOf(block);
    const example = EXAMPLES[name];
    if (example === undefined) await RUN[name](block.code);
    else expect(withoutComments(block.code), placeOf(block)).toBe(withoutComments(readFileSync(join(ROOT, "examples", example), "utf8")));
  }
  expect([...new Set(scripts.map(nameOf))].toSorted()).toEqual([...Object.keys(EXAMPLES), ...Object.keys(RUN), undefined].toSorted());
});

/** A script of a page takes the package from a CDN. */
function asPage(block) {
  return { ...block, language: "ts", code: block.code.replace(/"https:\/\/cdn\.jsdelivr\.net\/npm\/tabrank@[\d.]+\/dist\/index\.js"/, '"tabrank"') };
}

async function leavesOut(code) {
  const { default: config } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  expect(config).toEqual({ optimizeDeps: { exclude: ["tabrank"] } });
}

/** The service worker, with a cache and a network that are none. */
async function keepsFiles(code) {
  const [heard, kept] = [{}, new Map()];
  const caches = { open: async () => ({ addAll: async (files) => files.forEach((file) => kept.set(file, `kept ${file}`)) }), match: async (file) => kept.get(file) };
  runInNewContext(code, { self: { addEventListener: (event, listen) => (heard[event] = listen) }, caches, fetch: async (file) => `fetched ${file}` });
  let task;
  heard.install({ waitUntil: (installed) => (task = installed) });
  await task;
  for (const [file, answer] of [["index.html", "kept index.html"], ["search?q=1", "fetched search?q=1"]]) {
    heard.fetch({ request: file, respondWith: (answered) => (task = answered) });
    expect(await task).toBe(answer);
  }
}

/** Those beside a framework or a client are compiled where there are these: tests/adapters and tests/candidates. */
function needsMore({ file, code }) {
  return file === "docs/how-to/backends.md" || code.includes('from "tabrank/adapters/');
}

function parse({ code }) {
  JSON.parse(code);
}

function compilePython(block) {
  const { stderr } = spawnSync("python3", ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], { input: block.code, encoding: "utf8" });
  expect(stderr, placeOf(block)).toBe("");
}

function readHeader(block) {
  for (const line of block.code.trim().split("\n")) expect(line, placeOf(block)).toMatch(/^[A-Z][\w-]+: \S/);
}

/** Nothing is executed: its grammar, the options of our own commands, and the targets of make. */
function run(block) {
  const { stderr } = spawnSync("bash", ["-n"], { input: block.code.replace(/…|[[\]|]/g, " "), encoding: "utf8" });
  expect(stderr, placeOf(block)).toBe("");
  for (const line of block.code.replace(/\\\n\s*/g, " ").split("\n")) {
    const [, ours] = /^(?:\S*\/)?tabrank (.*)/.exec(line.trim()) ?? [];
    if (ours !== undefined) checkOptions(ours.replace(/ #.*/, ""), block);
    for (const [, target] of line.matchAll(/^\s*make ([a-z][\w-]*)/g)) expect(TARGETS, `${placeOf(block)}: make ${target}`).toContain(target);
  }
}

const [, targets] = /^\.PHONY: (.*)$/m.exec(readFileSync(join(ROOT, "Makefile"), "utf8"));
const TARGETS = targets.split(" ");

function checkOptions(ours, block) {
  const [name, below] = ours.split(/\s+/);
  const command = /^(index|codec|pages)$/.test(name) ? [name, below] : [name];
  const help = helpOf(command);
  for (const [option] of ours.matchAll(/(?<=[\s[])--?[a-z][\w-]*/g)) expect(help, `${placeOf(block)}: tabrank ${command.join(" ")} ${option}`).toMatch(new RegExp(`(^|\\s)${option}\\b`));
}

const helps = new Map();
function helpOf(command) {
  if (!existsSync(TABRANK)) throw new Error("target/release/tabrank is missing: run `make cli` at the repository's root first.");
  const key = command.join(" ");
  if (!helps.has(key)) helps.set(key, execFileSync(TABRANK, [...command, "--help"], { encoding: "utf8" }));
  return helps.get(key);
}

function commented(file) {
  const examples = readFileSync(join(PACKAGE, "src", file), "utf8").matchAll(/@example\n([^]*?)\*\//g);
  return [...examples].map(({ 1: sample }) => ({ file: `pkg/src/${file}`, line: "@example", language: "ts", code: sample.replace(/^ *\* ?/gm, "") }));
}

const INDEX = readFileSync(join(PACKAGE, "src/index.ts"), "utf8");
const PUBLIC = [...INDEX.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names.match(/\b(?!type\b)\w+/g));

/** With an import of what it takes of the package, where it has none itself. */
function asModule(sample) {
  if (sample.code.includes('from "tabrank"')) return sample;
  const names = PUBLIC.filter((name) => new RegExp(`\\b${name}\\b`).test(sample.code));
  return { ...sample, code: `import { ${names.join(", ")} } from "tabrank";\n${sample.code}` };
}
