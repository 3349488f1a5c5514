// A word that stands in question and documents alone: it appears in no request, address, log or store, and requests are for the page's own files and the model's.
import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import { openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData } from "./lib/demo-data.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";

const LIMIT = { timeout: 120_000 };
const CANARY = "zyzzyvaquill";

let browser;
let demo;
before(async () => {
  needDemo();
  prepareTinyData("privacy");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(() => demo?.close());

/** Everything that the page's origin has stored, as text. */
async function stored(page) {
  return page.evaluate(async () => {
    const found = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), JSON.stringify(history.state), document.cookie];
    const text = (value) => {
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new TextDecoder("latin1").decode(value);
      if (typeof value !== "object" || value === null) return String(value);
      return Object.entries(value).map(([key, each]) => `${key} ${text(each)}`).join(" ");
    };
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((done, failed) => Object.assign(indexedDB.open(name), { onsuccess: ({ target }) => done(target.result), onerror: failed }));
      for (const store of database.objectStoreNames) {
        const all = (what) => new Promise((done) => Object.assign(database.transaction(store).objectStore(store)[what](), { onsuccess: ({ target }) => done(target.result) }));
        found.push(text(await all("getAllKeys")), text(await all("getAll")));
      }
      database.close();
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) found.push(request.url, text(await (await cache.match(request)).arrayBuffer()));
    }
    return found;
  });
}

it("nothing of question and texts leaves the tab or is kept", LIMIT, async () => {
  const sent = [];
  browser.server.requests.length = 0;
  demo = await openDemo(browser, { ...tinySettings(browser.server, "privacy"), device: "cpu", candidates: 10 }, { serviceWorker: true });
  const { page, context } = demo;
  context.on("request", (request) => sent.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ""}`));
  await page.waitForSelector("#offline-note:has-text('opens without a connection')");
  await demo.loadModel();
  await demo.reranked();
  await page.click("#own > summary");
  await page.fill("#own-text", `A text about ${CANARY}.\n\nAnother one, of oil.`);
  await page.click("#own-form button");
  await page.waitForSelector("#own-taken");
  await demo.ask(`where is ${CANARY}`);
  await demo.reranked();
  await demo.explain();
  assert.ok((await page.textContent("#reranked-rows")).includes(CANARY));
  await page.click("#copy-report");
  assert.ok(!(await page.inputValue("#shared")).includes(CANARY));
  await page.setInputFiles("#own-files", [{ name: "a.csv", mimeType: "", buffer: Buffer.from(`text\nOf ${CANARY},\n`) }]);
  await page.waitForSelector("#own-faults");
  assert.ok(!(await page.textContent("#own-faults")).includes(CANARY));
  await page.click("#own-leave");
  await demo.ask(`and ${CANARY} in the page's own text`);
  await demo.reranked();
  await page.check("#first-stage input[value=index]", { force: true });
  await page.waitForSelector('#first-status:has-text("of the index fetched")');
  await demo.reranked();

  const requests = browser.server.requests;
  assert.ok(requests.length > 10 && sent.length > 5);
  const places = /^GET \/some\/project\/strict\/(demo\/|fixtures\/plain\/checkpoint\/|data\/privacy\/)|^HEAD \/some\/project\/strict\/fixtures\/plain\/checkpoint\/model\.safetensors$/;
  assert.deepEqual(requests.filter((line) => !places.test(line)), []);
  const stores = await stored(page);
  assert.ok(stores.length > 10);
  for (const text of ["Ask a question", "BertModel"]) assert.ok(stores.some((each) => each.includes(text)), `${text} is of the page or its model, and is looked through`);
  const traces = { requests, sent, stores, log: demo.complaints, addresses: [page.url()] };
  for (const [place, lines] of Object.entries(traces)) assert.deepEqual(lines.filter((line) => line.includes(CANARY)).map((line) => line.slice(0, 200)), [], place);
  assert.deepEqual(demo.complaints, [], "the console is not empty");
});
