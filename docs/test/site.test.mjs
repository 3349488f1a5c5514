// The built site: every address in it is one of its own files, below the path that it is served from, and nothing comes from elsewhere.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SITE = fileURLToPath(new URL("../.vitepress/dist/", import.meta.url));
if (!existsSync(join(SITE, "index.html"))) throw new Error("docs/.vitepress/dist is missing: run `make docs` at the repository's root first.");

const files = readdirSync(SITE, { recursive: true });
const pages = files.filter((file) => file.endsWith(".html"));
const read = (file) => readFileSync(join(SITE, file), "utf8");
const [, BASE] = /<link rel="preload stylesheet" href="(\/(?:[^"]*\/)?)assets\//.exec(read("index.html"));

test("it lies below a path", () => assert.match(BASE, /^\/.+\/$/));

test("every link of every page resolves, to the heading", () => {
  const found = pages.flatMap((file) => addresses(file).map((address) => ({ file, address })));
  assert.ok(found.length > 1000, `${found.length} addresses`);
  assert.deepEqual(found.filter(({ file, address }) => !resolves(file, address)), []);
});

test("the crate's own documentation is there, and the reference leads to it", () => {
  assert.ok(pages.filter((file) => file.startsWith("rust/tabrank/")).length > 100);
  assert.ok(addresses("reference/index.html").includes(`${BASE}rust/tabrank/index.html`));
});

test("no page fetches anything from another site", () => {
  const loaded = pages.flatMap((file) => [...read(file).matchAll(/<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)="((?:https?:)?\/\/[^"]*)"/g)].map(([, address]) => `${file}: ${address}`));
  assert.deepEqual(loaded, []);
  const styles = files.filter((file) => file.endsWith(".css")).flatMap((file) => [...read(file).matchAll(/url\(["']?((?:https?:)?\/\/[^)"']*)/g)].map(([, address]) => address));
  assert.deepEqual(styles, []);
});

test("llms.txt lists every page that the sidebar has, llms-full.txt has their texts", () => {
  const listed = [...read("llms.txt").matchAll(/^- \[.+?\]\((.+?)\): \S/gm)].map(([, address]) => address);
  assert.ok(listed.length > 20);
  assert.deepEqual(listed.filter((address) => !resolves("llms.txt", address)), []);
  const full = read("llms-full.txt");
  for (const heading of ["# A search page that reranks", "# Late interaction", "### WASM_BLOCKED_BY_CSP"]) assert.ok(full.includes(`\n${heading}\n`), heading);
  const links = [...full.replace(/^( *)```[^]*?^\1```$/gm, "").replace(/`[^`\n]*`/g, "").matchAll(/\]\((\S+?)\)/g)].map(([, address]) => address);
  assert.deepEqual(links.filter((address) => !resolves("llms-full.txt", address)), []);
});

/** Beside those in scripts, what rustdoc's buttons have in place of one, and its lists of a trait's implementers, of which it names those too that are empty and not made. */
function addresses(file) {
  const markup = read(file).replace(/(<script\b[^>]*>)[^]*?<\/script>/g, "$1").replaceAll('href="javascript:void(0)"', "");
  return [...markup.matchAll(/\b(?:href|src)="([^"]*)"/g)].map(([, address]) => address.replaceAll("&amp;", "&")).filter((address) => !/^[./]*trait\.impl\//.test(address));
}

function resolves(file, address) {
  if (/^(https|data|mailto):/.test(address)) return true;
  const [path, anchor] = address.split("#");
  if (path.startsWith("/") && !path.startsWith(BASE)) return false;
  const target = path === "" ? file : decodeURIComponent(path.startsWith("/") ? path.slice(BASE.length) : join(dirname(file), path));
  const found = [target, join(target, "index.html")].find((name) => name.endsWith(".html") || /\.\w+$/.test(name) ? existsSync(join(SITE, name)) : false);
  if (found === undefined) return false;
  if (anchor === undefined || anchor === "" || !found.endsWith(".html")) return true;
  return [anchor, decodeURIComponent(anchor), firstLine(anchor)].some((id) => ids(found).has(id));
}

/** Lines of rustdoc's sources are told from one to another. */
const firstLine = (anchor) => /^(\d+)-\d+$/.exec(anchor)?.[1];

const known = new Map();
function ids(file) {
  if (!known.has(file)) known.set(file, new Set([...read(file).matchAll(/\bid=(?:"([^"]*)"|([^\s>]+))/g)].map(([, id, bare]) => id ?? bare)));
  return known.get(file);
}
