// What stands in the Markdown files of the repository: their code blocks, headings and links. The tests of the docs read it from here.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Folders that hold no text of ours. */
const LEFT_OUT = /^(target|models|node_modules|dist|data|output|public|cache|\.git|\.vitepress)$/;
/** Pages that are made, of what is checked elsewhere. */
const MADE = /^docs\/reference\/(api\/|cli\.md|package\.md)/;

/** All that people wrote, by their paths from the repository's root. */
export function markdownFiles(folder = ROOT) {
  const found = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.test(entry.name) ? [] : markdownFiles(path);
    return entry.name.endsWith(".md") ? [relative(ROOT, path)] : [];
  });
  return found.filter((file) => !MADE.test(file)).toSorted();
}

export const read = (file) => readFileSync(join(ROOT, file), "utf8");

/** Code blocks: ```language [name]. */
export function codeBlocks(file) {
  return [...read(file).matchAll(/^( *)```(\S*)(?: \[(.+)\])?[^\n]*\n([^]*?)^\1```$/gm)].map(({ 1: indent, 2: language, 3: name, 4: code, index }) => ({
    file,
    line: read(file).slice(0, index).split("\n").length,
    language,
    name,
    code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** The text without code, in which brackets are no links. */
const prose = (file) => read(file).replace(/^( *)```[^]*?^\1```$/gm, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, "."));

/** Where links and pictures lead to, as they are written. */
export function links(file) {
  return [...prose(file).matchAll(/\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)/g), ...prose(file).matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, link]) => link);
}

/** The texts of headings, without what makes them bold, code or links. */
export function headings(file) {
  const text = read(file).replace(/^( *)```[^]*?^\1```$/gm, "");
  return [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, ""));
}
