import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const read = (path) => readFileSync(`${ROOT}${path}`, "utf8");
const manifest = JSON.parse(read("pkg/package.json"));

describe("what is shipped", () => {
  test("depends on nothing, and runs nothing when it is installed", () => {
    const kinds = ["dependencies", "peerDependencies", "optionalDependencies", "bundleDependencies", "bundledDependencies"];
    expect(kinds.filter((kind) => kind in manifest)).toEqual([]);
    const hooks = ["preinstall", "install", "postinstall", "prepare", "prepublish"];
    expect(hooks.filter((hook) => hook in manifest.scripts)).toEqual([]);
  });

  test("has one version, of the crate and of the package", () => {
    expect(/^version = "(.+)"$/m.exec(read("Cargo.toml"))?.[1]).toBe(manifest.version);
  });

  test.each(["tabrank.wasm", "tabrank-relaxed.wasm", "tabrank-gpu.wasm"])("%s holds no path of the machine that built it", (name) => {
    const module = readFileSync(`${ROOT}pkg/dist/${name}`, "latin1");
    const places = [`${homedir()}/`, ROOT, "/.cargo/", "registry/src/"];
    expect(places.filter((place) => module.includes(place))).toEqual([]);
    expect(module).toContain("src/");
  });
});

describe("what it is built from", () => {
  test("is pinned exactly where another version may compute other numbers", () => {
    for (const crate of ["burn", "cubecl", "tokenizers", "wasm-bindgen"]) {
      expect(read("Cargo.toml")).toMatch(new RegExp(`^${crate} = .*"=\\d+\\.\\d+\\.\\d+"`, "m"));
    }
    const bindgen = (path) => /"=(.+?)"/.exec(/^wasm-bindgen.*$/m.exec(read(path))[0])[1];
    expect(bindgen("scripts/bindgen/Cargo.toml")).toBe(bindgen("Cargo.toml"));
    expect(read("rust-toolchain.toml")).toMatch(/^channel = "\d+\.\d+\.\d+"$/m);
  });

  test("is locked, and no package's script runs while it is installed", () => {
    for (const folder of ["", "scripts/bindgen/", "tests/fuzz/"]) expect(readdirSync(`${ROOT}${folder}`)).toContain("Cargo.lock");
    for (const folder of ["pkg/", "www/", "tests/candidates/", "tests/web/", "benches/browser/"]) expect(readdirSync(`${ROOT}${folder}`)).toContain("package-lock.json");
    const commands = ["Makefile", ".ci/run", ...readdirSync(`${ROOT}scripts`).filter((name) => name.endsWith(".sh")).map((name) => `scripts/${name}`)].flatMap((path) => read(path).split("\n"));
    const installs = commands.filter((line) => /^[^#]*\bnpm (ci|install)\b/.test(line));
    expect(installs.length).toBeGreaterThan(1);
    expect(installs.filter((line) => !line.includes("--ignore-scripts"))).toEqual([]);
    const builds = commands.filter((line) => /^[^#]*\bcargo (build|test|clippy|install|rustc)\b/.test(line));
    expect(builds.length).toBeGreaterThan(3);
    expect(builds.filter((line) => !line.includes("--locked"))).toEqual([]);
  });
});
