// make demo-backend: the page asks the backend that stands behind it, and reranks what that finds.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readCollection } from "../../examples/backends/collection.mjs";
import { launch, openPage } from "../web/lib/browser.mjs";
import { need, needDemo, ROOT } from "../web/lib/paths.mjs";

const STORES = { chroma: 4181, pgvector: 4182 };
const COUNT = 20;

let browser;
let documents;
let question;
before(async () => {
  needDemo();
  need("target/backends/documents.safetensors", "make test-backends");
  documents = await readCollection(join(ROOT, "target/backends/documents"));
  [question] = await readCollection(join(ROOT, "www/public/data/queries"));
  browser = await launch({});
});
after(() => browser?.close());

for (const [store, port] of Object.entries(STORES)) {
  describe(`the demo before ${store}`, { timeout: 300_000 }, () => {
    let demo;
    before(() => {
      demo = start(store, port);
    });
    after(() => demo.stop());

    it("shows the nearest of all vectors as the first order, and what the question was written for as the best", async () => {
      const page = await opened(browser, `http://127.0.0.1:${port}/`, store);
      const requests = [];
      page.on("request", (request) => requests.push({ url: request.url(), body: request.postData() ?? "" }));
      await page.fill("#question", question.text);
      await page.press("#question", "Enter");
      await page.waitForSelector("#reranked[data-run=done]", { timeout: 120_000 });
      assert.deepEqual(await idsOf(page, "first"), nearest().slice(0, COUNT));
      assert.equal((await idsOf(page, "reranked"))[0], question.relevant);
      const asked = requests.filter(({ url }) => new URL(url).pathname.startsWith("/backend/"));
      assert.ok(asked.length > 0);
      const told = requests.filter(({ url, body }) => question.text.split(" ").some((word) => word.length > 4 && `${url}${body}`.includes(word)));
      assert.deepEqual(told, []);
      await page.context().close();
    });
  });
}

/** By all vectors, one after the other. */
function nearest() {
  const cosines = documents.map(({ id, vector }) => ({ id, cosine: vector.reduce((sum, value, place) => sum + value * question.vector[place], 0) }));
  return cosines.sort((a, b) => b.cosine - a.cosine).map(({ id }) => id);
}

function start(store, port) {
  const options = ["--store", store, "--port", String(port), "--chroma", "target/backends/python/bin/chroma", "--collection", "target/backends/documents", "--site", "www"];
  const child = spawn("node", ["examples/backends/serve.mjs", ...options], { cwd: ROOT, stdio: "inherit" });
  const ended = new Promise((done) => child.on("exit", done));
  return {
    async stop() {
      child.kill();
      await ended;
    },
  };
}

async function opened(browser, url, store) {
  const context = await browser.newContext();
  while (!(await fetch(url).catch(() => undefined))?.ok) await sleep(200);
  const { page } = await openPage(context, `${url}#first=${store}`);
  return page;
}

function idsOf(page, list) {
  return page.$$eval(`#${list}-rows > .row`, (rows) => rows.map((row) => row.dataset.paragraph));
}
