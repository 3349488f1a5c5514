// Makes dist/ from src/ and the engine in wasm/: two scripts, the declarations of the public API, and the wasm modules.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bytes of what a page loads at once, and of what it fetches with its first call; a worker, a wasm module and a model follow, which are a hundred times that and more. */
const CLIENT_LIMIT = 8 * 1024;
const REST_LIMIT = 43 * 1024;
/** Bytes of an entry point beside it. */
const ENTRY_LIMIT = 3 * 1024;
/** Folders of entry points: each file at the top is one, and what they share lies in folders below. */
const ENTRY_FOLDERS = ["adapters", "candidates"];
/** As scripts/build-wasm.sh made them, and as they are called in dist/. */
const MODULES = {
  "wasm/tabrank_bg.wasm": "dist/tabrank.wasm",
  "wasm/tabrank_relaxed_bg.wasm": "dist/tabrank-relaxed.wasm",
  "wasm/tabrank_gpu_bg.wasm": "dist/tabrank-gpu.wasm",
  "wasm/tabrank_images_bg.wasm": "dist/tabrank-images.wasm",
};

/** There is one class of errors, whichever entry point throws one. */
const clientOutside = { name: "client-outside", setup: ({ onResolve }) => onResolve({ filter: /\/index\.js$/ }, () => ({ path: "../index.js", external: true })) };

const DECLARATIONS = "dist/declarations";

const common = { bundle: true, format: "esm", platform: "browser", target: "es2022", minify: true, legalComments: "none", logLevel: "warning" };

await rm("dist", { recursive: true, force: true });
const entries = (await Promise.all(ENTRY_FOLDERS.map(entriesOf))).flat();
await buildClient();
for (const entry of entries) await buildEntry(entry);
await bundle({ entryPoints: ["src/cli/tabrank.ts"], outfile: "dist/cli/tabrank.js", plugins: [clientOutside], banner: { js: "#!/usr/bin/env node" } });
await buildWorker();
await writeDeclarations();
for (const [made, name] of Object.entries(MODULES)) await copyFile(made, name);

/** What the page loads at once is `index.js` and the chunks that it imports; the others it asks for. All lie in one folder, as the worker and the modules are found beside them. */
async function buildClient() {
  const metafile = await bundle({ entryPoints: ["src/index.ts"], outdir: "dist", splitting: true, chunkNames: "[name]-[hash]" });
  const atOnce = new Set(["dist/index.js"]);
  for (const file of atOnce) for (const { path, kind } of metafile.outputs[file].imports) if (kind === "import-statement") atOnce.add(path);
  await requireWithin([...atOnce], CLIENT_LIMIT);
  await requireWithin(Object.keys(metafile.outputs).filter((file) => !atOnce.has(file)), REST_LIMIT);
}

/** LICENCES.txt says that there is no code of other packages in the scripts. */
async function bundle(options) {
  const { metafile } = await build({ ...common, ...options, metafile: true });
  const foreign = Object.keys(metafile.inputs).find((file) => file.includes("node_modules/"));
  if (foreign) throw new Error(`${foreign} would be shipped, and its licence is not listed`);
  return metafile;
}

async function entriesOf(folder) {
  const names = (await readdir(`src/${folder}`)).filter((name) => name.endsWith(".ts"));
  return names.map((name) => `${folder}/${name.replace(/\.ts$/, "")}`);
}

async function buildEntry(entry) {
  await bundle({ entryPoints: [`src/${entry}.ts`], outfile: `dist/${entry}.js`, plugins: [clientOutside] });
  await requireWithin([`dist/${entry}.js`], ENTRY_LIMIT);
}

async function requireWithin(files, limit) {
  const sizes = await Promise.all(files.map(async (file) => gzipSync(await readFile(file)).length));
  const size = sizes.reduce((sum, size) => sum + size, 0);
  if (size > limit) throw new Error(`${files.join(" and ")}: ${size} bytes gzipped; the limit is ${limit}`);
}

/**
 * One self-contained file, since some bundlers copy a worker without what it imports. The glue's own idea of where its wasm module lies is cut out: it is
 * never used, and bundlers would look for that file.
 */
async function buildWorker() {
  const define = { "import.meta.url": "undefined", WASM_SHA256: JSON.stringify(await Promise.all(Object.keys(MODULES).map(sha256))) };
  await bundle({ entryPoints: ["src/worker/worker.ts"], outfile: "dist/worker.js", define });
  const script = await readFile("dist/worker.js", "utf8");
  const outside = /\bimport\s*[({"']|import\.meta|\bexport\s*\{/.exec(script);
  if (outside) throw new Error(`dist/worker.js is not self-contained: it holds ${JSON.stringify(outside[0])}`);
  await writeFile("dist/worker.d.ts", "export {};\n");
}

async function sha256(file) {
  return createHash("sha256").update(await readFile(file)).digest("hex");
}

/** Only those that an entry point leads to: the rest declares what no import can reach. */
async function writeDeclarations() {
  execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" });
  const done = new Set();
  for (const entry of ["index", ...entries]) await copyWithImports(`${entry}.d.ts`, done);
  await rm(DECLARATIONS, { recursive: true });
}

/** What only members for ourselves were declared by, which are not there any more. */
function withoutUnused(text) {
  const code = text.replace(/\/\*[^]*?\*\//g, "");
  return text.replace(/^import (?:type )?\{([^}]*)\} from "[^"]+";\n/gm, (line, list) => {
    const names = list.split(",").map((name) => name.trim().split(" ").at(-1));
    return names.some((name) => code.replace(line, "").match(new RegExp(`\\b${name}\\b`))) ? line : "";
  });
}

async function copyWithImports(file, done) {
  if (done.has(file)) return;
  done.add(file);
  const text = withoutUnused(await readFile(join(DECLARATIONS, file), "utf8"));
  if (/\bany\b/.test(text.replace(/\/\*[^]*?\*\//g, ""))) throw new Error(`${file} has the type any`);
  await mkdir(join("dist", dirname(file)), { recursive: true });
  await writeFile(join("dist", file), text);
  for (const [, name] of text.matchAll(/from "(\..+?)\.js"/g)) await copyWithImports(`${join(dirname(file), name)}.d.ts`, done);
}
