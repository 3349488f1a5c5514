/** The samples that show an adapter beside its framework compile against the framework's own types. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { codeBlocks, markdownFiles } from "../../scripts/markdown.mjs";
import { complaintsOf } from "../../scripts/samples.mjs";

const HOME = fileURLToPath(new URL("./", import.meta.url));

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const query: string;
declare function show(...shown: unknown[]): void;
`;

const ADAPTER = /"tabrank\/adapters\/([\w-]+)"/g;
const blocks = markdownFiles().flatMap(codeBlocks).filter(({ code }) => code.match(ADAPTER));

test("samples compile", () => {
  expect(complaintsOf(blocks, { home: HOME, given: GIVEN })).toBe("");
}, 60_000);

test("each entry point has a sample", () => {
  const named = blocks.flatMap(({ code }) => [...code.matchAll(ADAPTER)].map(([, name]) => name));
  const entries = readdirSync(join(HOME, "../../pkg/src/adapters")).filter((name) => name.endsWith(".ts")).map((name) => name.replace(".ts", ""));
  expect([...new Set(named)].toSorted()).toEqual(entries.toSorted());
});
