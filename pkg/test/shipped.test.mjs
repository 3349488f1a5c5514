import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { bumped, released, trackedFiles } from "../../scripts/bump.mjs";

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

  test("is raised to another version wherever one stands, and nowhere else", () => {
    const { version } = manifest;
    const own = new RegExp(`tabrank.{1,4}${version.replaceAll(".", "\\.")}`);
    const changed = trackedFiles().filter((file) => {
      const text = read(file);
      const next = bumped(file, text, version, "9.8.7-rc.6");
      expect(next, file).not.toMatch(own);
      expect(bumped(file, next, "9.8.7-rc.6", version), file).toBe(text);
      return next !== text;
    });
    const places = ["Cargo.toml", "Cargo.lock", "tests/fuzz/Cargo.lock", "Makefile", "pkg/package.json", "pkg/package-lock.json", "pkg/src/version.ts"];
    expect(changed).toEqual(expect.arrayContaining(places));
    expect(released("# Changelog\n\n## Unreleased\n\n### Added\n- It.\n", "1.2.3", "2026-01-31")).toBe("# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-01-31\n\n### Added\n- It.\n");
  });

  test("is in the tarball what is meant to be, with the licences of what the modules are made of", () => {
    const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: `${ROOT}pkg`, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    const others = files.map(({ path }) => path).filter((path) => !/^dist\/([a-z-]+\/)*[A-Za-z0-9-]+\.(js|d\.ts|wasm)$/.test(path));
    expect(others.sort()).toEqual(["LICENCES.txt", "LICENSE", "README.md", "package.json"]);
    execFileSync("node", [`${ROOT}scripts/licences.mjs`, "--check"], { stdio: "pipe" });
  }, 60_000);

  test("is in the crate its source, and nothing that a build has left", () => {
    const files = execFileSync("cargo", ["package", "--list", "--locked", "--allow-dirty"], { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split("\n");
    const others = files.filter((file) => !/^(src|benches)\/[\w/]+\.rs$/.test(file));
    expect(others.sort()).toEqual([".cargo_vcs_info.json", "CHANGELOG.md", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig", "LICENSE", "README.md"]);
  }, 60_000);

  test.each(["tabrank.wasm", "tabrank-relaxed.wasm", "tabrank-gpu.wasm", "tabrank-images.wasm"])("%s holds no path of the machine that built it", (name) => {
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
    for (const folder of ["pkg/", "www/", "tests/candidates/", "examples/backends/", "tests/web/", "benches/browser/"]) expect(readdirSync(`${ROOT}${folder}`)).toContain("package-lock.json");
    const commands = ["Makefile", ".ci/run", ...readdirSync(`${ROOT}scripts`).filter((name) => name.endsWith(".sh")).map((name) => `scripts/${name}`)].flatMap((path) => read(path).split("\n"));
    const installs = commands.filter((line) => /^[^#]*\bnpm (ci|install)\b/.test(line));
    expect(installs.length).toBeGreaterThan(1);
    expect(installs.filter((line) => !line.includes("--ignore-scripts"))).toEqual([]);
    const builds = commands.filter((line) => /^[^#]*\bcargo (build|test|clippy|install|rustc)\b/.test(line));
    expect(builds.length).toBeGreaterThan(3);
    expect(builds.filter((line) => !line.includes("--locked"))).toEqual([]);
  });
});

describe.each(readdirSync(`${ROOT}.github/workflows`))("the workflow %s", (name) => {
  const text = read(`.github/workflows/${name}`);

  test("may do nothing but what a job asks for", () => {
    expect(text).toMatch(/^permissions: (\{\}|\n {2}contents: read)$/m);
    expect(text).not.toMatch(/write-all|pull_request_target|secrets\./);
    const jobs = text.split(/^jobs:$/m)[1].split(/^ {2}(?=\w+:$)/m).slice(1);
    expect(jobs.length).toBeGreaterThan(0);
    for (const job of jobs) expect(job).toMatch(/^ {4}permissions:$/m);
  });

  test("takes what comes from elsewhere by its commit", () => {
    const taken = [...text.matchAll(/\buses: (\S+)(.*)/g)];
    expect(taken.filter(([, action, comment]) => !/@[0-9a-f]{40}$/.test(action) || !/^ # v\d+\.\d+\.\d+$/.test(comment))).toEqual([]);
    expect(text).not.toMatch(/\$\{\{[^}]*github\.(event|head_ref)/);
  });
});
