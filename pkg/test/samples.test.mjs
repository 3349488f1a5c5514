// The samples that people copy, of the README and of the comments on what is public, compile under `strict`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const index: import("tabrank").Index;
declare const query: string, text: string;
declare const documents: string[];
declare const hits: { title: string; body: string }[];
declare const response: Response;
declare const pages: { body: string }[];
declare const configBlob: Blob, tokenizerBlob: Blob, weightsBlob: Blob;
declare const bar: { value: number };
declare function show(...shown: unknown[]): void;
declare function addRow(...cells: unknown[]): void;
declare function mark(start: number, end: number | null, share: number): void;
declare function askBeforeDownload(): void;
declare function showRetryButton(hint: string | undefined): void;
interface ImportMeta { readonly hot?: { dispose(task: () => void): void } }
`;

const ENTRIES = ["src/adapters", "src/candidates", "src/candidates/shared"].flatMap((folder) => readdirSync(join(PACKAGE, folder)).filter((name) => name.endsWith(".ts")).map((name) => `${folder}/${name}`));

const OPTIONS = { strict: true, noEmit: true, target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [], paths: { tabrank: [join(PACKAGE, "src/index.ts")], "tabrank/*": [join(PACKAGE, "src/*.ts")] } };

test("samples compile", () => {
  const samples = [...fenced("README.md"), ...fenced("../README.md"), ...commented("src/page/reranker.ts"), ...commented("src/page/embedding-list.ts"), ...commented("src/page/residual-codec.ts"), ...commented("src/page/search-index.ts"), ...commented("src/page/check-operations.ts"), ...commented("src/error.ts"), ...ENTRIES.flatMap(commented)];
  const samples = [...fenced("README.md"), ...fenced("../README.md"), ...commented("src/page/reranker.ts"), ...commented("src/page/marks.ts"), ...commented("src/page/embedding-list.ts"), ...commented("src/page/residual-codec.ts"), ...commented("src/page/search-index.ts"), ...commented("src/page/check-operations.ts"), ...commented("src/error.ts")];
  expect(samples.length).toBeGreaterThan(14);
  const folder = mkdtempSync(join(tmpdir(), "samples-"));
  try {
    writeFileSync(join(folder, "given.d.ts"), GIVEN);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, include: ["*.ts"] }));
    samples.forEach((sample, index) => writeFileSync(join(folder, `sample-${index}.ts`), asModule(sample)));
    const { stdout, status } = spawnSync(join(PACKAGE, "node_modules/.bin/tsc"), ["-p", folder, "--pretty", "false"], { encoding: "utf8" });
    expect(stdout.replace(/^.*sample-(\d+)/gm, (_, index) => `${samples[index]}: `)).toBe("");
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

/** Without those that show an adapter beside its framework: tests/adapters has the frameworks, and compiles them. */
function fenced(file) {
  const samples = [...readFileSync(join(PACKAGE, file), "utf8").matchAll(/```ts\n([^]*?)```/g)].map(([, sample]) => sample);
  return samples.filter((sample) => !sample.includes('from "tabrank/adapters/'));
}

function commented(file) {
  const examples = readFileSync(join(PACKAGE, file), "utf8").matchAll(/@example\n([^]*?)\*\//g);
  return [...examples].map(([, sample]) => sample.replace(/^ *\* ?/gm, ""));
}

function asModule(sample) {
  const names = ["checkOperations", "EmbeddingList", "Index", "marks", "passage", "Reranker", "RerankerError", "ResidualCodec", "wordsAt"].filter((name) => new RegExp(`\\b${name}\\b`).test(sample));
  const imports = sample.includes('from "tabrank"') ? "" : `import { ${names.join(", ")} } from "tabrank";\n`;
  return `${imports}${sample}\nexport {};\n`;
}
