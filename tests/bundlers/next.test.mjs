// The app of Next.js, whose page is rendered on the server first: built and in development, by Turbopack and by webpack.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { launch } from "../web/lib/browser.mjs";
import { prepareApp } from "./lib/app.mjs";
import { assertSearches } from "./lib/search.mjs";

const LIMIT = { timeout: 240_000 };

const LOAD = 'Reranker.load("/model/"';
const NAMED = `${LOAD}, { workerUrl: "/tabrank/worker.js", wasmUrl: "/tabrank/tabrank.wasm" }`;

let browser;
let app;
before(async () => {
  [browser, app] = await Promise.all([launch({ webgpu: false }), prepareApp("next", { beside: "public" })]);
}, LIMIT);
after(() => browser?.close());

async function searchIn(script) {
  const server = await app.start(script);
  try {
    return await assertSearches(browser, server.url, app.tiny);
  } finally {
    server.close();
  }
}

it("renders the page on the server, and searches in the browser", LIMIT, async () => {
  await app.script("build");
  await searchIn("start");
});

it("searches in development", LIMIT, async () => {
  await searchIn("dev");
});

it("built by webpack searches too", LIMIT, async () => {
  await app.script("build", "--webpack");
  await searchIn("start");
});

it("takes the worker and the module from where the page says", LIMIT, async () => {
  await app.copyPackage();
  await app.edit("app/search.jsx", LOAD, NAMED);
  await app.script("build");
  assert.deepEqual(await searchIn("start"), ["/tabrank/worker.js", "/tabrank/tabrank.wasm"]);
  assert.deepEqual(await searchIn("dev"), ["/tabrank/worker.js", "/tabrank/tabrank.wasm"]);
});
