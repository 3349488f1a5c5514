// The apps that a bundler builds: each is built, opened below a sub-path under a strict policy, and searches; with addresses of its own for the package's files too.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { codeBlocks } from "../../scripts/markdown.mjs";
import { prepareApp } from "./lib/app.mjs";
import { assertSearches } from "./lib/search.mjs";
import { LOAD, NAMED, openSite } from "./lib/site.mjs";

const LIMIT = { timeout: 180_000 };

/** `beside`: where files lie that are served as they are; `output`: what is put on a server; `dev`: whether its own server is one of the ways. */
const APPS = {
  vite: { beside: "public", output: "dist", dev: true },
  webpack: { beside: "public", output: "public" },
  rollup: { beside: "public", output: "public" },
  esbuild: { beside: "public", output: "public" },
  parcel: { beside: "public", output: "dist" },
};

const site = openSite();

async function assertDeveloped(app) {
  const developed = await app.start("dev");
  try {
    return await assertSearches(site.browser, developed.url, app.tiny);
  } finally {
    developed.close();
  }
}

for (const [name, { beside, output, dev }] of Object.entries(APPS)) {
  describe(name, () => {
    let app;
    before(async () => {
      app = await prepareApp(name, { beside });
    }, LIMIT);

    const assertBuilt = async () => {
      await app.script("build");
      return assertSearches(site.browser, site.server.url(`built/apps/${name}/${output}/index.html`), app.tiny);
    };

    it("builds a page that searches", LIMIT, () => assertBuilt());

    if (dev) it("searches in development", LIMIT, async () => void (await assertDeveloped(app)));

    it("takes the worker and the module from where the page says", LIMIT, async () => {
      await app.copyPackage();
      await app.edit("main.js", LOAD, NAMED);
      const files = await assertBuilt();
      assert.deepEqual(files.map((file) => file.split("/").slice(-2).join("/")), ["tabrank/worker.js", "tabrank/tabrank.wasm"]);
      if (dev) assert.deepEqual(await assertDeveloped(app), ["/tabrank/worker.js", "/tabrank/tabrank.wasm"]);
    });
  });
}

it("Vite before 8 searches in development once its optimizer leaves the package out", LIMIT, async () => {
  const app = await prepareApp("vite", { beside: "public" });
  await app.install("vite@7.3.8");
  await writeFile(join(app.folder, "vite.config.js"), codeBlocks("docs/how-to/bundlers.md").find(({ name }) => name === "vite.config.js").code);
  await assertDeveloped(app);
});
