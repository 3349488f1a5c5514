// The licences of everything that is compiled into the package's wasm modules, into pkg/LICENCES.txt: which crates, under what, and the texts.
//
//   node scripts/licences.mjs [--check]
//
// With --check nothing is written, and a file that is not current fails. What is bundled of npm packages would be listed here too, but nothing is: pkg/build.mjs sees to it.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FILE = join(ROOT, "pkg/LICENCES.txt");
const TEXT = /^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$/i;
const APACHE = /Apache License\s+Version 2\.0, January 2004/;
const WASM = "wasm32-unknown-unknown";
const RULE = "-".repeat(80);

/** Of the standard library, whose sources are not where those of crates are. */
const RUST = { name: "the Rust standard library", license: "MIT OR Apache-2.0" };

const HEAD = `Tabrank's wasm modules contain code of the following Rust crates. Where a crate offers several licences, any of them may be chosen.
The scripts of the package contain no code of other packages.
`;

const made = listing(shippedCrates());
if (!process.argv.includes("--check")) writeFileSync(FILE, made);
else if (readFileSync(FILE, "utf8") !== made) throw new Error("pkg/LICENCES.txt is not current: run node scripts/licences.mjs");

/** What the modules are linked of: no build script, no macro and nothing of tests. `cargo tree` knows which features are in force, `cargo metadata` where sources are. */
function shippedCrates() {
  const chosen = ["--locked", "--features", "gpu,images,relaxed-simd"];
  const tree = cargo("tree", ...chosen, "--target", WASM, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}");
  const shipped = new Set(tree.trim().split("\n").slice(1).map((line) => line.split(" ").slice(0, 2).join(" ")));
  const { packages } = JSON.parse(cargo("metadata", ...chosen, "--format-version", "1", "--filter-platform", WASM));
  const keyOf = ({ name, version }) => `${name} v${version}`;
  return packages.filter((one) => shipped.has(keyOf(one)) && one.source !== null).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function cargo(...words) {
  return execFileSync("cargo", words, { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "inherit"] });
}

function listing(crates) {
  const named = crates.map((crate) => ({ ...crate, called: `${crate.name} ${crate.version}` }));
  const without = named.filter(({ license, license_file }) => !license && !license_file);
  if (without.length > 0) throw new Error(`without a licence: ${without.map(({ called }) => called).join(", ")}`);
  const rows = [`${RUST.name}: ${RUST.license}`, ...named.map(({ called, license, repository }) => `${called}: ${license ?? "see below"}${repository ? `, ${repository}` : ""}`)];
  return `${[HEAD, rows.join("\n"), ...textsOf(named)].join(`\n${RULE}\n\n`).trimEnd()}\n`;
}

/** Each text once, with whose it is. Of those under Apache-2.0, whose text the package's own LICENSE is, notices alone are told. */
function textsOf(crates) {
  const owners = new Map();
  for (const { called, manifest_path } of crates) {
    const folder = dirname(manifest_path);
    for (const name of readdirSync(folder).filter((name) => TEXT.test(name))) {
      const text = readText(join(folder, name));
      if (text && !APACHE.test(text)) owners.set(text, [...(owners.get(text) ?? []), called]);
    }
  }
  return [...owners].map(([text, crates]) => `${[...new Set(crates)].join(", ")}:\n\n${text}\n`);
}

/** Some crates have a folder of that name. */
function readText(path) {
  try {
    return readFileSync(path, "utf8").replace(/\r/g, "").split("\n").map((line) => line.trimEnd()).join("\n").trim();
  } catch {
    return undefined;
  }
}
