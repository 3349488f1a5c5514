// What the pages have to have: a place in the sidebar, and an entry for each error code.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, headings, markdownFiles, read } from "../../scripts/markdown.mjs";

/** In the sidebar, but made. */
const MADE = ["docs/reference/api/index.md", "docs/reference/cli.md", "docs/reference/package.md"];

test("the sidebar has every page, once", () => {
  const listed = [...read("docs/.vitepress/sidebar.ts").matchAll(/link: "\/(.*?)"/g)].map(([, link]) => `docs/${link.replace(/(^|\/)$/, "$1index")}.md`);
  const pages = markdownFiles().filter((file) => file.startsWith("docs/") && file !== "docs/index.md");
  assert.deepEqual(listed.toSorted(), [...pages, ...MADE].toSorted());
});

test("troubleshooting has an entry for each error code, and for no other", () => {
  const entries = headings("docs/troubleshooting.md").filter((heading) => /^[A-Z]+(_[A-Z]+)*$/.test(heading));
  assert.ok(errors().length > 20);
  assert.deepEqual(entries.toSorted(), errors().toSorted());
});

test("troubleshooting lists the warnings that the sources give", () => {
  const listed = [...read("docs/troubleshooting.md").matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
  const given = ["src", "pkg/src"].flatMap(sources).flatMap((file) => [...read(file).matchAll(/\bcode: "([A-Z_]+)"/g)].map(([, code]) => code));
  const known = new Set(errors());
  assert.deepEqual(listed, [...new Set(given)].filter((code) => !known.has(code)).toSorted());
});

function errors() {
  const [, union] = /export type ErrorCode =([^;]*);/.exec(read("pkg/src/error.ts"));
  return [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code);
}

function sources(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true }).filter((file) => /\.(rs|ts)$/.test(file)).map((file) => join(folder, file));
}
