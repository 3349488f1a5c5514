// The demo page with a backend behind it: starts a store, fills it with a collection, and serves the page in front of it.
//
//   node serve.mjs --store chroma --chroma target/backends/python/bin/chroma --collection target/backends/documents --site www
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readCollection } from "./collection.mjs";
import { openChroma } from "./stores/chroma.mjs";
import { openPgvector } from "./stores/pgvector.mjs";

const STORES = { chroma: openChroma, pgvector: openPgvector };

const { values: options } = parseArgs({
  options: {
    store: { type: "string", default: "chroma" },
    chroma: { type: "string", default: "chroma" },
    collection: { type: "string" },
    site: { type: "string" },
    port: { type: "string", default: "4173" },
  },
});
const open = Object.hasOwn(STORES, options.store) ? STORES[options.store] : fail(`--store is none of ${Object.keys(STORES).join(", ")}`);
for (const name of ["collection", "site"]) if (options[name] === undefined) fail(`--${name} is missing`);

const documents = await readCollection(options.collection);
const folder = mkdtempSync(join(tmpdir(), "tabrank-backend-"));
const store = await open({ folder, program: resolve(options.chroma) });
await store.fill(documents);
console.log(`${options.store} holds ${documents.length} paragraphs. The page with it: http://localhost:${options.port}/#first=${options.store}`);

// Not by npm, which hands no signal on.
const page = spawn(resolve(options.site, "node_modules/.bin/vite"), ["preview", "--port", options.port, "--strictPort"], { cwd: options.site, stdio: "inherit", env: { ...process.env, DEMO_BACKEND: store.url } });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => page.kill());
page.on("exit", () => void end());

async function end() {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit();
}

function fail(message) {
  console.error(`serve: ${message}`);
  process.exit(1);
}
