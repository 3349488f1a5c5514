// Every link of every page leads somewhere: to a file of the repository, and to a heading in it.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { test } from "node:test";
import { dirname, join, normalize } from "node:path";
import GithubSlugger from "github-slugger";
import { ROOT, headings, links, markdownFiles } from "../../scripts/markdown.mjs";

/** Pages that are made, which the test of the built site follows. */
const MADE = /^docs\/reference\/(api\/index|cli|package)\.md$/;

const files = markdownFiles();
const all = files.flatMap((file) => links(file).map((link) => ({ file, link })));
const outward = all.filter(({ link }) => /^[a-z]+:/.test(link));

test("links between files of the repository resolve", () => {
  const within = all.filter(({ link }) => !/^[a-z]+:/.test(link));
  assert.ok(within.length > 80, `${within.length} links`);
  assert.deepEqual(within.filter(({ file, link }) => !resolves(file, link)).map(({ file, link }) => `${file}: ${link}`), []);
});

test("links to other sites are few, and encrypted", (t) => {
  for (const { file, link } of outward) t.diagnostic(`${link} in ${file}`);
  assert.deepEqual(outward.filter(({ link }) => !link.startsWith("https://")), []);
});

function resolves(file, link) {
  const [path, anchor] = link.split("#");
  const target = path === "" ? file : normalize(path.startsWith("/") ? join("docs", page(path)) : join(dirname(file), path));
  if (MADE.test(target)) return true;
  if (!existsSync(join(ROOT, target))) return false;
  if (anchor === undefined) return true;
  return !statSync(join(ROOT, target)).isDirectory() && anchors(target).includes(anchor);
}

/** Addresses of the site, which the front matter of its first page has. */
const page = (path) => `${path.replace(/\/$/, "/index")}.md`;

function anchors(file) {
  const slugger = new GithubSlugger();
  return headings(file).map((heading) => slugger.slug(heading));
}
