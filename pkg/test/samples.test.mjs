// The samples that people copy, of every page and of the comments on what is public: types compile under `strict`, commands have the options that they are given.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ROOT, codeBlocks, markdownFiles } from "../../scripts/markdown.mjs";

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

const OPTIONS = { strict: true, noEmit: true, allowJs: true, target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [], paths: { tabrank: [join(PACKAGE, "src/index.ts")], "tabrank/*": [join(PACKAGE, "src/*.ts")] } };

/** Without those that show an adapter beside its framework: tests/adapters has the frameworks, and compiles them. */
const blocks = markdownFiles().flatMap(codeBlocks).filter(({ code }) => !code.includes('from "tabrank/adapters/'));

/** How blocks of each language are held to what they are about. `html` and what goes with it: the browser runs them, tests/web/docs.test.mjs. */
const CHECKS = { ts: compile, js: compile, json: parse, sh: run, python: compilePython, http: readHeader, html: () => undefined, text: () => undefined };

test("every code block is of a language that is checked", () => {
  expect(blocks.filter(({ language }) => !Object.hasOwn(CHECKS, language)).map(place)).toEqual([]);
  expect(blocks.length).toBeGreaterThan(60);
});

for (const [language, check] of Object.entries(CHECKS)) {
  const found = blocks.filter((block) => block.language === language);
  if (language !== "ts" && language !== "js") test(`blocks of ${language}`, () => found.forEach(check), 60_000);
}

test("samples compile", () => compile([...blocks.filter(({ language }) => language === "ts" || language === "js"), ...readdirSync(join(PACKAGE, "src"), { recursive: true }).filter((file) => file.endsWith(".ts")).flatMap(commented)]), 60_000);

function compile(samples) {
  expect(samples.length).toBeGreaterThan(14);
  const folder = mkdtempSync(join(tmpdir(), "samples-"));
  try {
    writeFileSync(join(folder, "given.d.ts"), GIVEN);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, include: ["*.ts", "*.js"] }));
    samples.forEach((sample, index) => writeFileSync(join(folder, `sample-${index}.${sample.language}`), asModule(sample.code)));
    const { stdout, status } = spawnSync(join(PACKAGE, "node_modules/.bin/tsc"), ["-p", folder, "--pretty", "false"], { encoding: "utf8" });
    expect(stdout.replace(/^.*sample-(\d+)/gm, (_, index) => `${place(samples[index])}\n${samples[index].code}\n`)).toBe("");
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function parse({ code }) {
  JSON.parse(code);
}

function compilePython(block) {
  const { stderr } = spawnSync("python3", ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], { input: block.code, encoding: "utf8" });
  expect(stderr, place(block)).toBe("");
}

function readHeader(block) {
  for (const line of block.code.trim().split("\n")) expect(line, place(block)).toMatch(/^[A-Z][\w-]+: \S/);
}

/** Nothing is executed: its grammar, the options of our own commands, and the targets of make. */
function run(block) {
  const { stderr } = spawnSync("bash", ["-n"], { input: block.code.replace(/…|[[\]|]/g, " "), encoding: "utf8" });
  expect(stderr, place(block)).toBe("");
  for (const line of block.code.replace(/\\\n\s*/g, " ").split("\n")) {
    const [, ours] = /^(?:\S*\/)?tabrank (.*)/.exec(line.trim()) ?? [];
    if (ours !== undefined) checkOptions(ours.replace(/ #.*/, ""), block);
    for (const [, target] of line.matchAll(/^\s*make ([a-z][\w-]*)/g)) expect(TARGETS, `${place(block)}: make ${target}`).toContain(target);
  }
}

const [, targets] = /^\.PHONY: (.*)$/m.exec(readFileSync(join(ROOT, "Makefile"), "utf8"));
const TARGETS = targets.split(" ");

function checkOptions(ours, block) {
  const [name, below] = ours.split(/\s+/);
  const command = /^(index|codec)$/.test(name) ? [name, below] : [name];
  const help = helpOf(command);
  for (const [option] of ours.matchAll(/(?<=[\s[])--?[a-z][\w-]*/g)) expect(help, `${place(block)}: tabrank ${command.join(" ")} ${option}`).toMatch(new RegExp(`(^|\\s)${option}\\b`));
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

const place = ({ file, line, language }) => `${file}:${line} (${language})`;

function asModule(sample) {
  const names = ["checkOperations", "type DocumentEmbeddings", "EmbeddingList", "Index", "marks", "passage", "Reranker", "RerankerError", "ResidualCodec", "Scorer", "wordsAt"].filter((name) => new RegExp(`\\b${name.replace("type ", "")}\\b`).test(sample));
  const imports = sample.includes('from "tabrank"') ? "" : `import { ${names.join(", ")} } from "tabrank";\n`;
  return `${imports}${sample}\nexport {};\n`;
}
