// The example of a service worker that reranks its page's own search requests, in Chromium.
import assert from "node:assert/strict";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { launch, openPage } from "./lib/browser.mjs";
import { needPackage, ROOT } from "./lib/paths.mjs";
import { FOLDERS, serve } from "./lib/server.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

const CANARY = "canary-word";

let server;
let browser;
let tiny;
let expected;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  expected = tiny.scores.map((_, index) => index).sort((a, b) => tiny.scores[b] - tiny.scores[a] || a - b);
  const folder = join(FOLDERS.data, "service-worker");
  await rm(folder, { recursive: true, force: true });
  await cp(join(ROOT, "examples/service-worker"), folder, { recursive: true });
  await cp(join(ROOT, "pkg/dist"), join(folder, "node_modules/tabrank/dist"), { recursive: true });
  await cp(join(ROOT, tiny.folder), join(folder, "model"), { recursive: true });
  const hits = tiny.documents.map((body, index) => ({ title: String(index), body }));
  await writeFile(join(folder, "found.json"), JSON.stringify({ took: 7, hits: [...hits, { title: "blank" }] }));
  server = await serve();
  browser = await launch({ webgpu: false });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function open() {
  const context = await browser.newContext();
  const { page, complaints } = await openPage(context, server.url("open/data/service-worker/index.html"));
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  return { page, complaints, close: () => context.close() };
}

const titlesOf = (page) => page.locator("li").allTextContents();

it("the page's own searches are answered in the model's order, and nothing else of the answer changes", LIMIT, async () => {
  const { page, complaints, close } = await open();
  const asked = server.requests.length;
  await page.getByRole("searchbox").fill(tiny.query);
  await page.getByRole("button").click();
  await page.locator("li").first().waitFor();
  assert.deepEqual(await titlesOf(page), [...expected.map(String), "blank"]);
  const { took, hits } = await page.evaluate(async (q) => (await fetch(`found.json?q=${encodeURIComponent(q)}`)).json(), tiny.query);
  assert.equal(took, 7);
  assert.equal(hits[0].body, tiny.documents[expected[0]]);
  const searches = server.requests.slice(asked).filter((request) => !/\/(model|node_modules)\//.test(request));
  assert.equal(searches.length, 2);
  assert.ok(searches.every((request) => request.includes("/found.json?q=")));
  assert.deepEqual(complaints, []);
  await close();
});

it("the backend's answer stays where there is no query, no answer to it, or a page without a model", LIMIT, async () => {
  const { page, close } = await open();
  const titles = async (address) => page.evaluate(async (address) => (await (await fetch(address)).json()).hits.map(({ title }) => title), address);
  const given = [...tiny.documents.map((_, index) => String(index)), "blank"];
  assert.deepEqual(await titles("found.json"), given);
  assert.equal(await page.evaluate(async () => (await fetch("elsewhere/found.json?q=water")).status), 404);
  const bare = await page.context().newPage();
  await bare.goto(server.url("open/data/service-worker/found.json"));
  const start = Date.now();
  assert.deepEqual(await bare.evaluate(async () => (await (await fetch("found.json?q=water")).json()).hits.map(({ title }) => title)), given);
  assert.ok(Date.now() - start < 5_000);
  await close();
});

it("a search that the page gives up, and one that comes again, leave the next one right", LIMIT, async () => {
  const { page, complaints, close } = await open();
  const outcome = await page.evaluate(async (query) => {
    const controller = new AbortController();
    const given = fetch(`found.json?q=${encodeURIComponent(query)}`, { signal: controller.signal }).catch(({ name }) => name);
    controller.abort();
    const next = await (await fetch(`found.json?q=${encodeURIComponent(query)}`)).json();
    return { given: await given, titles: next.hits.map(({ title }) => title) };
  }, tiny.query);
  assert.deepEqual(outcome, { given: "AbortError", titles: [...expected.map(String), "blank"] });
  assert.deepEqual(complaints, []);
  await close();
});

it("a query and its hits reach nobody but the backend that the page asked", LIMIT, async () => {
  const { page, close } = await open();
  const asked = server.requests.length;
  await page.evaluate(async (word) => (await fetch(`found.json?q=${word}`)).json(), CANARY);
  const telling = server.requests.slice(asked).filter((request) => request.includes(CANARY));
  assert.equal(telling.length, 1);
  await close();
});
