// The demo's settings: in the fragment, shared by a link, gone through by back and forward; and the choice of a model, of a hub too.
import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import { closeQuiet, openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData, QUESTIONS } from "./lib/demo-data.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needDemo } from "./lib/paths.mjs";

const LIMIT = { timeout: 60_000 };

let browser;
let demo;
let texts;
before(async () => {
  needDemo();
  texts = prepareTinyData("settings");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(async () => {
  const done = demo;
  demo = undefined;
  await closeQuiet(done);
});

const hub = () => new URL(browser.server.url("strict/hub/")).pathname;
const open = async (more) => {
  demo = await openDemo(browser, { ...tinySettings(browser.server, "settings"), device: "cpu", candidates: 10, hub: hub(), ...more });
};
const chosen = (name) => demo.page.$eval(`#${name} input:checked`, ({ value }) => value);
const choose = (name, value) => demo.page.check(`#${name} input[value="${value}"]`, { force: true });
const fragment = () => new URL(demo.page.url()).hash;
const ofHub = () => browser.server.requests.filter((line) => line.includes("/hub/"));

async function chooseModel(id) {
  await demo.page.click("#model-chooser > summary");
  await demo.page.fill("#hub-id", id);
  await demo.page.click("#model-form button");
}

it("what is chosen goes to the fragment; back and forward go through it; a link brings all of it along", LIMIT, async () => {
  await open();
  await choose("candidates", 50);
  assert.match(fragment(), /candidates=50/);
  await choose("first-stage", "words");
  assert.match(fragment(), /first=words/);
  const shared = demo.page.url();
  await demo.page.goBack();
  await demo.page.waitForFunction(() => document.querySelector("#first-stage input:checked").value === "vectors");
  assert.equal(await chosen("candidates"), "50");
  await demo.page.goBack();
  await demo.page.waitForFunction(() => document.querySelector("#candidates input:checked").value === "10");
  await demo.page.goForward();
  await demo.page.waitForFunction(() => document.querySelector("#candidates input:checked").value === "50");
  await demo.page.goto("about:blank");
  await demo.page.goto(shared);
  await demo.page.waitForFunction(() => document.querySelector("#first-stage input:checked").value === "words");
  assert.deepEqual([await chosen("candidates"), await chosen("device")], ["50", "cpu"]);
});

it("the way past everything leaves the settings in the fragment", LIMIT, async () => {
  await open();
  const before = fragment();
  await demo.page.focus("#skip-link");
  await demo.page.keyboard.press("Enter");
  assert.equal(await demo.page.evaluate(() => document.activeElement.id), "results");
  assert.equal(fragment(), before);
});

it("what the address says and cannot be used is told", LIMIT, async () => {
  await open({ first: "magic" });
  assert.equal(await demo.page.textContent("#settings-note"), "Not used from the address: first=magic");
});

it("a model of a hub: nothing is asked of it before consent to that, nor loaded before consent to its size", LIMIT, async () => {
  browser.server.requests.length = 0;
  await open();
  await chooseModel("not an id");
  assert.match(await demo.page.textContent("#hub-note"), /owner and a name/);
  await demo.page.fill("#hub-id", "someone/stanford");
  await demo.page.click("#model-form button");
  await demo.page.waitForSelector("#ask-hub");
  await demo.ask("What is the price of oil?");
  await demo.page.waitForSelector("#reranked[data-run=waiting]");
  assert.match(fragment(), /hub-model=someone\/stanford/);
  assert.deepEqual(ofHub(), []);
  await demo.page.click("#ask-hub");
  await demo.page.waitForSelector("#load-model");
  assert.match(await demo.page.textContent("#model-body"), /\(\d+ kB\).*Licence: mit/s);
  assert.deepEqual(ofHub().map((line) => line.replace(/.*\/hub\//, "")), ["api/models/someone/stanford?blobs=true"]);
  await demo.loadModel();
  await demo.reranked();
  assert.ok(ofHub().some((line) => line.endsWith("/someone/stanford/resolve/main/model.safetensors")));
  const candidates = (await demo.rows("first")).map(({ id }) => id);
  const expected = native.rerank(need("tests/fixtures/stanford/checkpoint", "git checkout tests/fixtures"), "What is the price of oil?", candidates.map((id) => texts.get(id)));
  assert.deepEqual((await demo.rows("reranked")).map(({ id }) => id), expected.map(({ index }) => candidates[index]));
});

it("a model that the hub does not have is told with what to do", LIMIT, async () => {
  await open({ "hub-model": "someone/none" });
  await demo.page.click("#ask-hub");
  await demo.page.waitForSelector("#model[data-state=failed]");
  assert.match(await demo.page.textContent("#model-body"), /HTTP_STATUS.*answered 404 for someone\/none.*spelling/s);
  demo.complaints.length = 0;
});

it("known models have their size and licence beside them, and none is asked for", LIMIT, async () => {
  browser.server.requests.length = 0;
  await open();
  await demo.page.click("#model-chooser > summary");
  const lines = await demo.page.$$eval(".model-choice", (items) => items.map(({ textContent }) => textContent));
  const known = lines.filter((line) => /\d+ MB from/.test(line));
  assert.equal(known.length, 4);
  for (const line of known) assert.match(line, /\/.*\d+ MB from .*(Apache 2\.0|MIT)/);
  await demo.page.check("#model-choices [value='2']");
  await demo.page.click("#model-form button");
  await demo.page.waitForSelector("#load-model:has-text('68 MB')");
  assert.match(await demo.page.textContent("#model-body"), /Licence: Apache 2\.0/);
  assert.deepEqual(ofHub(), []);
  await demo.page.goBack();
  await demo.page.waitForSelector("#model:has-text('checkpoint')");
});

it("the example questions and a search by words go with any model, and say what they are", LIMIT, async () => {
  await open({ first: "words" });
  await demo.page.waitForSelector("#load-model");
  assert.equal((await demo.rows("first")).length, 0);
  await demo.loadModel();
  await demo.reranked();
  assert.equal(await demo.page.textContent("#first-title"), "Word search order");
  assert.equal(await demo.page.isVisible("#bm25-stage"), false);
  await demo.ask("price of bread");
  await demo.page.waitForSelector('#first-rows > .row:first-child[data-paragraph="p2"]');
  await demo.reranked();
  assert.equal((await demo.rows("first")).length, 10);
  assert.equal(QUESTIONS.length, await demo.page.$$eval("#examples li", (items) => items.length));
});
