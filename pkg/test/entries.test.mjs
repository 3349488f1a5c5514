import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const PKG = fileURLToPath(new URL("../", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${PKG}package.json`, "utf8"));
const folders = Object.keys(exports)
  .map((name) => /^\.\/(\w+)\/\*$/.exec(name)?.[1])
  .filter((folder) => folder !== undefined);

describe.each(folders)("the entry points in %s", (folder) => {
  const entries = namesIn(`src/${folder}`, ".ts");

  test("are built, with declarations, and none beside them", () => {
    expect(entries.length).toBeGreaterThan(0);
    expect(namesIn(`dist/${folder}`, ".js")).toEqual(entries);
    expect(namesIn(`dist/${folder}`, ".d.ts")).toEqual(entries);
  });

  test.each(entries)("%s imports nothing but the package itself, whose errors it throws", async (name) => {
    const script = readFileSync(`${PKG}dist/${folder}/${name}.js`, "utf8");
    const imported = [...script.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(([, from]) => from);
    expect(imported.filter((from) => from !== "../index.js")).toEqual([]);
    expect(Object.keys(await import(`../dist/${folder}/${name}.js`)).length).toBeGreaterThan(0);
  });
});

test("an entry point's errors are those of the package", async () => {
  const [{ RerankerError }, { fromQdrant }] = await Promise.all([import("../dist/index.js"), import("../dist/candidates/qdrant.js")]);
  expect(() => fromQdrant({})).toThrow(RerankerError);
});

function namesIn(folder, ending) {
  return readdirSync(`${PKG}${folder}`)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}
