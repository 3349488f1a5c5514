/** The samples of the README that show an adapter beside its framework compile against the framework's own types. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const HERE = fileURLToPath(new URL("./", import.meta.url));
/** Below this folder, so that the frameworks are found. */
const FOLDER = join(HERE, "node_modules/.samples");

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const query: string;
declare function show(...shown: unknown[]): void;
`;

const OPTIONS = { target: "es2022", module: "esnext", moduleResolution: "bundler", strict: true, noEmit: true, skipLibCheck: true, jsx: "react-jsx", lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [] };

test("samples compile", () => {
  const readme = readFileSync(join(HERE, "../../pkg/README.md"), "utf8");
  const samples = [...readme.matchAll(/```(tsx?)\n([^]*?)```/g)].filter(([, , sample]) => sample!.includes('from "tabrank/adapters/'));
  expect(samples.length).toBeGreaterThan(2);
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  writeFileSync(join(FOLDER, "given.d.ts"), GIVEN);
  writeFileSync(join(FOLDER, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, files: ["given.d.ts", ...samples.map(([, kind], index) => `sample-${index}.${kind}`)] }));
  samples.forEach(([, kind, sample], index) => writeFileSync(join(FOLDER, `sample-${index}.${kind}`), `${sample}\nexport {};\n`));
  const { stdout } = spawnSync(join(HERE, "node_modules/.bin/tsc"), ["-p", FOLDER, "--pretty", "false"], { encoding: "utf8" });
  expect(stdout.replace(/^.*sample-(\d+)/gm, (_, index: string) => `${samples[Number(index)]![2]}: `)).toBe("");
});
