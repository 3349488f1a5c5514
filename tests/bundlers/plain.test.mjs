// The apps without a bundler: files on any static server, the package on another origin, and an extension.
import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { openUnpacked } from "../web/lib/extension.mjs";
import { needPackage } from "../web/lib/paths.mjs";
import { prepareApp } from "./lib/app.mjs";
import { assertPageSearches, assertSearches } from "./lib/search.mjs";
import { LOAD, NAMED, openSite } from "./lib/site.mjs";

const LIMIT = { timeout: 120_000 };

const CDN = "https://cdn.jsdelivr.net/npm/tabrank@0.1.0/dist/";

/** What an extension's worker loads is not told by its resource timings: of these, the files of the package are gone. */
const RENAMED = { "worker.js": "renamed.js", "tabrank-relaxed.wasm": "renamed.wasm" };

const site = openSite();

const own = (files) => files.map((file) => file.split("/").slice(-2).join("/"));

it("plain modules search, from another's server and below a sub-path under a strict policy", LIMIT, async () => {
  const app = await prepareApp("static");
  const plain = await app.start("start", (port) => [port]);
  try {
    await assertSearches(site.browser, plain.url, app.tiny);
  } finally {
    plain.close();
  }
  const searched = () => assertSearches(site.browser, site.server.url("built/apps/static/index.html"), app.tiny);
  assert.deepEqual(own(await searched()), ["dist/worker.js", "dist/tabrank-relaxed.wasm"]);
  await app.copyPackage();
  await app.edit("main.js", LOAD, NAMED);
  assert.deepEqual(own(await searched()), ["tabrank/worker.js", "tabrank/tabrank.wasm"]);
});

it("the package on another origin searches by a worker of one line, under a policy that names that origin", LIMIT, async () => {
  needPackage();
  const app = await prepareApp("cdn");
  const elsewhere = site.server.url("shared/package/", "localhost");
  for (const file of ["main.js", "worker.js"]) await app.edit(file, CDN, elsewhere);
  const [worker, module] = await assertSearches(site.browser, site.server.url("cdn/apps/cdn/index.html"), app.tiny);
  assert.match(worker, /\/apps\/cdn\/worker\.js$/);
  assert.equal(module, new URL("tabrank-relaxed.wasm", elsewhere).pathname);
});

it("an extension's page searches", LIMIT, async () => {
  const app = await prepareApp("extension");
  await app.script("build");
  const extension = await openUnpacked(app.folder);
  try {
    const searched = () => assertPageSearches(extension.context, new URL("search.html", extension.background.url()).href, app.tiny);
    assert.deepEqual(await searched(), ["/tabrank/worker.js"]);
    for (const [file, renamed] of Object.entries(RENAMED)) await rename(join(app.folder, "tabrank", file), join(app.folder, renamed));
    await app.edit("search.js", LOAD, `${LOAD}, { workerUrl: "renamed.js", wasmUrl: "renamed.wasm" }`);
    assert.deepEqual(await searched(), ["/renamed.js"]);
  } finally {
    await extension.close();
  }
});
