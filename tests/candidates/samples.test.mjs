/** The samples of the docs that show a backend beside its client compile against the client's own types. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { codeBlocks } from "../../scripts/markdown.mjs";
import { complaintsOf } from "../../scripts/samples.mjs";

const HOME = fileURLToPath(new URL("./", import.meta.url));

/** What samples take for granted. */
const GIVEN = `
declare const reranker: import("tabrank").Reranker;
declare const query: string;
declare const vector: number[];
declare const response: Response;
declare const hits: { title: string; body: string }[];
declare function show(...shown: unknown[]): void;
`;

test("samples compile", () => {
  const blocks = codeBlocks("docs/how-to/backends.md");
  expect(blocks.length).toBeGreaterThan(14);
  expect(complaintsOf(blocks, { home: HOME, given: GIVEN })).toBe("");
}, 60_000);

test("each entry point has a sample", () => {
  const named = codeBlocks("docs/how-to/backends.md").flatMap(({ code }) => [...code.matchAll(/"tabrank\/candidates\/([\w-]+)"/g)].map(([, name]) => name));
  expect([...new Set(named)].toSorted()).toEqual(entryPoints().toSorted());
});

function entryPoints() {
  return readdirSync(join(HOME, "../../pkg/src/candidates")).filter((name) => name.endsWith(".ts")).map((name) => name.replace(".ts", ""));
}
