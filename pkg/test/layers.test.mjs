import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** Each part of the package, a file at the top or a folder, and the parts that it may import. */
const ALLOWED = {
  cli: ["index", "node", "ranking", "types", "vectors", "version"],
  types: ["vectors"],
  files: [],
  pages: [],
  "gpu-adapter": ["error", "storage", "types"],
  marking: [],
  node: [],
  patience: [],
  redacted: [],
  safetensors: [],
  version: [],
  vectors: [],
  error: ["types"],
  ranking: ["types", "vectors"],
  search: ["ranking", "types"],
  protocol: ["error", "ranking", "search", "storage", "types", "vectors"],
  storage: ["error", "files", "patience", "types", "version"],
  adapters: ["index"],
  page: ["error", "files", "gpu-adapter", "marking", "node", "pages", "patience", "protocol", "ranking", "redacted", "safetensors", "search", "storage", "types", "vectors", "version"],
  worker: ["error", "files", "gpu-adapter", "node", "patience", "protocol", "ranking", "redacted", "safetensors", "search", "storage", "types", "vectors"],
  index: ["error", "marking", "page", "pages", "ranking", "search", "types", "vectors"],
  candidates: ["index"],
};

/** The only file that may import the wasm glue, and the only one that may import its types. */
const GLUE_OWNER = "worker/worker.ts";
const GLUE_TYPES = "worker/engine.ts";

const imports = sources().flatMap(importsOf);

describe("the package's parts", () => {
  test("know only what the table allows", () => {
    const wrong = imports.filter(({ from, to }) => from !== to && to !== "wasm" && !ALLOWED[from]?.includes(to));
    expect(wrong).toEqual([]);
  });

  test("reach the wasm glue through one file", () => {
    const glue = imports.filter(({ to }) => to === "wasm");
    expect(new Set(glue.filter(({ typeOnly }) => !typeOnly).map(({ file }) => file))).toEqual(new Set([GLUE_OWNER]));
    expect(new Set(glue.filter(({ typeOnly }) => typeOnly).map(({ file }) => file))).toEqual(new Set([GLUE_TYPES]));
  });

  test("all have a row, and every row has its part", () => {
    expect([...new Set(sources().map(partOf))].sort()).toEqual(Object.keys(ALLOWED).sort());
  });
});

function sources() {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.split(sep).join("/"));
}

function importsOf(file) {
  const text = readFileSync(join(SRC, file), "utf8");
  const specifiers = [...text.matchAll(/(^(?:import|export) type [^;"]*)?(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/gm)];
  return specifiers.map(([, typeOnly, specifier]) => ({
    file,
    from: partOf(file),
    to: partOf(relative(SRC, join(SRC, dirname(file), specifier))),
    typeOnly: typeOnly !== undefined,
  }));
}

/** The first segment of a path below `src/`, without an extension; the glue lies beside `src/`. */
function partOf(path) {
  const [first, second] = path.split("/");
  return (first === ".." ? second : first).replace(/\.[jt]s$/, "");
}
