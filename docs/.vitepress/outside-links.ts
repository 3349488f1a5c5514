// Pages link to files of the repository, where the forge shows them. The site has a copy of each, as text, below files/, and of the crate its documentation below rust/.
import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { MarkdownRenderer, SiteConfig } from "vitepress";

const DOCS = resolve(import.meta.dirname, "..");
const ROOT = dirname(DOCS);

/** What rustdoc makes its pages of, and where they are. */
const CRATE = "src/lib.rs";
const RUSTDOC = join(ROOT, "target/doc");

/** Files that pages link to, as paths from the repository's root. */
const linked = new Set<string>();

/** Turns links that leave docs/ into links to the copies. */
export function outsideLinks(markdown: MarkdownRenderer) {
  markdown.core.ruler.push("outside-links", ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.attrGet("href");
      const file = href === null ? undefined : outside(href, env.path);
      if (file === undefined) continue;
      linked.add(file);
      token.attrSet("href", `/${addressOf(file)}`);
      token.attrSet("target", "_self");
    }
  });
}

function outside(href: string, page: string) {
  if (!href.startsWith(".")) return undefined;
  const target = resolve(dirname(page), href.replace(/#.*$/, ""));
  if (!relative(DOCS, target).startsWith("..")) return undefined;
  if (!existsSync(target)) throw new Error(`${relative(ROOT, page)} links to ${href}, which is not there`);
  return relative(ROOT, shown(target));
}

/** Where the site has a file of the repository. */
export const addressOf = (file: string) => (file === CRATE ? "rust/tabrank/index.html" : `files/${file}.txt`);

/** What stands for a file or a folder: of a folder its README, or that of the one which it lies in. */
export function shown(target: string): string {
  if (!statSync(target).isDirectory()) return target;
  const readme = join(target, "README.md");
  return existsSync(readme) ? readme : shown(dirname(target));
}

export async function copyLinkedFiles({ outDir }: SiteConfig) {
  for (const file of linked) {
    const copy = join(outDir, "files", `${file}.txt`);
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(join(ROOT, file), copy);
  }
}

export async function copyRustdoc({ outDir }: SiteConfig) {
  if (!existsSync(RUSTDOC)) throw new Error("target/doc is missing: run `make docs-rust` at the repository's root first.");
  await cp(RUSTDOC, join(outDir, "rust"), { recursive: true });
  // Its pages of help and settings lead to one that has all crates, which is not made of one alone.
  await writeFile(join(outDir, "rust/index.html"), `<!doctype html>\n<meta charset="utf-8">\n<title>tabrank</title>\n<meta http-equiv="refresh" content="0; url=tabrank/index.html">\n<a href="tabrank/index.html">tabrank</a>\n`);
}
