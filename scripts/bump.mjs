// Raises the version wherever it stands, and makes what the changelog has under Unreleased that version's section.
//
//   node scripts/bump.mjs 0.2.0

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Where a file says which version of this package it is, or takes. */
const PLACES = [
  { files: /^Cargo\.toml$/, before: '^version = "', after: '"' },
  { files: /Cargo\.lock$/, before: 'name = "tabrank"\nversion = "', after: '"' },
  { files: /^pkg\/package\.json$/, before: '^  "version": "', after: '"' },
  { files: /^pkg\/package-lock\.json$/, before: '"name": "tabrank",\n +"version": "', after: '"' },
  { files: /^pkg\/src\/version\.ts$/, before: 'VERSION = "', after: '"' },
  { files: /(^|\/)(Makefile|[^/]+\.(json|js|mjs|md|yml))$/, before: '(?:"tabrank": "|\\btabrank@|\\btabrank-)', after: '(?="|/|\\.tgz)' },
];

const NUMBER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

export function trackedFiles() {
  const tracked = execFileSync("git", ["ls-files", "-z", "--", ".", ":!tests/fixtures", ":!tests/data"], { cwd: ROOT, encoding: "utf8" }).split("\0");
  return tracked.filter((file) => PLACES.some(({ files }) => files.test(file)) && file !== "CHANGELOG.md");
}

/** A file's text with another version. */
export function bumped(file, text, from, to) {
  return PLACES.filter(({ files }) => files.test(file)).reduce((text, { before, after }) => text.replace(new RegExp(`(${before})${from.replaceAll(".", "\\.")}(${after})`, "gm"), `$1${to}$2`), text);
}

/** What is under Unreleased is this version's from now on. */
export function released(changelog, version, day) {
  const heading = "## Unreleased\n";
  if (!changelog.includes(heading)) throw new Error("CHANGELOG.md has no section Unreleased");
  return changelog.replace(heading, `${heading}\n## ${version} - ${day}\n`);
}

function main(to) {
  if (!NUMBER.test(to ?? "")) throw new Error("usage: node scripts/bump.mjs X.Y.Z");
  const { version: from } = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  if (from === to) throw new Error(`the version is ${to} already`);
  for (const file of trackedFiles()) change(file, (text) => bumped(file, text, from, to));
  change("CHANGELOG.md", (text) => released(text, to, new Date().toISOString().slice(0, 10)));
}

function change(file, by) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const changed = by(text);
  if (changed === text) return;
  writeFileSync(join(ROOT, file), changed);
  console.log(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
