// The samples of every page that show an adapter beside its framework compile against the framework's own types.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { codeBlocks, markdownFiles } from "../../scripts/markdown.mjs";

const HERE = fileURLToPath(new URL("./", import.meta.url));
/** Below this folder, so that the frameworks are found. */
const FOLDER = join(HERE, "node_modules/.samples");

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const query: string, text: string;
declare const documents: string[];
declare const hits: { id: string; title: string; body: string }[];
declare function show(...shown: unknown[]): void;
`;

const OPTIONS = { target: "es2022", module: "esnext", moduleResolution: "bundler", strict: true, noEmit: true, skipLibCheck: true, jsx: "react-jsx", lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [] };

const samples = markdownFiles().flatMap(codeBlocks).filter(({ code }) => code.includes('from "tabrank/adapters/'));

test("samples compile", () => {
  expect(samples.length).toBeGreaterThan(8);
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  const names = samples.map(({ language }, index) => `sample-${index}.${language}`);
  writeFileSync(join(FOLDER, "given.d.ts"), GIVEN);
  writeFileSync(join(FOLDER, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, files: ["given.d.ts", ...names] }));
  samples.forEach(({ code }, index) => writeFileSync(join(FOLDER, names[index]), `${code}\nexport {};\n`));
  const { stdout } = spawnSync(join(HERE, "node_modules/.bin/tsc"), ["-p", FOLDER, "--pretty", "false"], { encoding: "utf8" });
  expect(stdout.replace(/^.*sample-(\d+)/gm, (_, index) => placeOf(samples[index]))).toBe("");
});

function placeOf({ file, line, code }) {
  return `${file}:${line}\n${code}\n`;
}
