// The demo without a connection after the first visit, in a folder of any name, and its next version.
import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, it } from "node:test";
import { closeQuiet, openDemo } from "./lib/demo.mjs";
import { prepareTinyData, tinyModel } from "./lib/demo-data.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo, OUTPUT, ROOT } from "./lib/paths.mjs";
import { serve } from "./lib/server.mjs";

const LIMIT = { timeout: 120_000 };
/** The site as a folder on a static server, with a tiny model and corpus inside. */
const SITE = join(OUTPUT, "data/a site");

let browser;
let demo;
before(async () => {
  needDemo();
  prepareTinyData("offline");
  const isOfPage = (path) => !/\/dist\/(data|models|page)(\/|$)/.test(path);
  await rm(SITE, { recursive: true, force: true });
  await cp(join(ROOT, "www/dist"), SITE, { recursive: true, filter: isOfPage });
  await cp(join(OUTPUT, "data/offline"), join(SITE, "data"), { recursive: true });
  await cp(tinyModel(), join(SITE, "models/tiny"), { recursive: true });
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(async () => {
  const done = demo;
  demo = undefined;
  await closeQuiet(done);
});

const settings = { model: "models/tiny", dtype: "f32", device: "cpu", candidates: 10 };
const open = async (server = browser.server) => {
  demo = await openDemo({ server, browser: browser.browser }, settings, { serviceWorker: true, folder: "data/a%20site" });
  await demo.page.waitForSelector("#offline-note:has-text('opens without a connection')");
};

it("opens, loads the model and reranks when there is no server any more", LIMIT, async () => {
  const server = await serve();
  await open(server);
  await demo.loadModel();
  await demo.reranked();
  const before = await demo.rows("reranked");
  await server.close();
  await demo.page.reload();
  await demo.page.waitForSelector("#model[data-state=ready]");
  await demo.reranked();
  assert.deepEqual(await demo.rows("reranked"), before);
  await demo.ask("the price of oil");
  await demo.page.waitForSelector("#announcer:has-text('reordered')", { state: "attached" });
  await demo.reranked();
  assert.notDeepEqual(await demo.rows("reranked"), before);
  await demo.page.goto(new URL("bench.html", demo.page.url()).href);
  await demo.page.waitForSelector("#start");
});

it("a newer version is offered, and comes with a press", LIMIT, async () => {
  await open();
  assert.equal(await demo.page.isVisible("#update"), false);
  const files = ["index.html", "service-worker.js"].map((name) => join(SITE, name));
  const [page, worker] = await Promise.all(files.map((file) => readFile(file, "utf8")));
  try {
    await writeFile(files[0], page.replace("<h1>Tabrank</h1>", "<h1>Tabrank, newer</h1>"));
    await writeFile(files[1], worker.replace(/"version":"\w+"/, '"version":"newer"'));
    await demo.page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
    await demo.page.waitForSelector("#update:has-text('A newer version of this page is there.')");
    assert.equal(await demo.page.textContent("h1"), "Tabrank");
    await demo.page.click("#take-over");
    await demo.page.waitForSelector("h1:has-text('Tabrank, newer')");
    const kept = await demo.page.evaluate(() => caches.keys());
    assert.deepEqual(kept.filter((name) => name.startsWith("tabrank-demo")).map((name) => name.split(" ").at(-1)).toSorted(), ["kept", "newer"]);
  } finally {
    await writeFile(files[0], page);
    await writeFile(files[1], worker);
  }
});
