// Texts of the user's own in the demo: pasted, chosen, dropped; what is wrong with them; and the way back.
import assert from "node:assert/strict";
import { after, afterEach, before, it } from "node:test";
import { closeQuiet, openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData, tinyModel } from "./lib/demo-data.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";
import { makeChinesePdf, makePdf } from "./lib/pdf.mjs";

const LIMIT = { timeout: 60_000 };
const TEXTS = ["The river runs past the mill.", "Oil and water do not mix.", "The price of bread rose in October."];
const QUESTION = "what happened to the price of bread";

let browser;
let demo;
before(async () => {
  needDemo();
  prepareTinyData("own");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(async () => {
  const done = demo;
  demo = undefined;
  await closeQuiet(done);
});

const page = () => demo.page;
const open = async () => {
  demo = await openDemo(browser, { ...tinySettings(browser.server, "own"), device: "cpu", candidates: 10 });
  await page().waitForSelector("#results .row:visible");
};
const file = (name, text) => ({ name, mimeType: "", buffer: Buffer.from(text) });
const choose = (...files) => page().setInputFiles("#own-files", files);
const titles = () => page().$$eval("#first-rows .row-title", (items) => items.map(({ textContent }) => textContent));
const requested = (part) => browser.server.requests.filter((line) => line.includes(part));

/** Drops files on the page's head, as a hand would. */
const drop = (files) =>
  page().evaluate((files) => {
    const dataTransfer = new DataTransfer();
    for (const { name, text } of files) dataTransfer.items.add(new File([text], name));
    for (const type of ["dragover", "drop"]) document.querySelector("h1").dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }, files);

async function paste(text) {
  await page().click("#own > summary");
  await page().fill("#own-text", text);
  await page().click("#own-form button");
}

async function askOwn() {
  await demo.ask(QUESTION);
  await demo.reranked();
}

it("pasted JSON lines are searched by words and reranked as the command line does, and the page's own text comes back", LIMIT, async () => {
  await open();
  await demo.loadModel();
  await demo.reranked();
  await paste(TEXTS.map((text, i) => JSON.stringify({ title: `T${i}`, text })).join("\n"));
  await page().waitForSelector("#own-taken:has-text('3 texts in use')");
  assert.equal(await page().evaluate(() => document.activeElement.id), "question");
  assert.equal((await demo.rows("first")).length, 0);
  assert.equal(await page().isVisible("#examples-section"), false);
  await askOwn();
  assert.equal((await titles())[0], "T2");
  assert.equal(await page().textContent("#first-title"), "Word search order");
  const places = (await demo.rows("first")).map(({ id }) => Number(id.split("-").at(-1)));
  const expected = native.rerank(tinyModel(), QUESTION, places.map((place) => TEXTS[place]));
  assert.deepEqual((await demo.rows("reranked")).map(({ id }) => Number(id.split("-").at(-1))), expected.map(({ index }) => places[index]));
  await page().screenshot({ path: "output/own.png", fullPage: true });
  await page().click("#own-leave");
  await demo.reranked();
  assert.equal(await page().textContent("#first-title"), "Dense search order");
  assert.equal(await page().textContent("#own-status"), "");
});

it("files that are dropped: CSV by its columns, plain text by its paragraphs, one with a fault not at all", LIMIT, async () => {
  await open();
  assert.deepEqual(requested("papaparse"), []);
  await drop([
    { name: "a.csv", text: `title,text\nBread,"${TEXTS[2]}"\n` },
    { name: "b.txt", text: `${TEXTS[0]}\n\n${TEXTS[1]}\n` },
    { name: "c.jsonl", text: '{"text":"fine"}\n{"title":"only"}\nno\n' },
  ]);
  await page().waitForSelector("#own-taken:has-text('3 texts in use: a.csv (1), b.txt (2)')");
  const faults = await page().$$eval("#own-faults li", (items) => items.map(({ textContent }) => textContent));
  assert.equal(faults.length, 2);
  assert.match(faults[0], /^c\.jsonl, line 2 has no text: it takes a field text, body/);
  assert.equal(faults[1], "c.jsonl, line 3 is not JSON by itself.");
  await page().waitForFunction(() => document.querySelector("#announcer").textContent === "3 texts of your own in use. 2 faults found.");
  await demo.loadModel();
  await askOwn();
  assert.deepEqual((await titles())[0], "Bread");
  assert.ok((await titles()).includes("b.txt, line 3"));
});

it("a PDF's text, page by page; what reads it is fetched with the first one alone", LIMIT, async () => {
  await open();
  browser.server.requests.length = 0;
  await choose(file("broken.pdf", "%PDF-1.4 and nothing more"));
  await page().waitForSelector("#own-faults:has-text('broken.pdf is no PDF that can be read')");
  assert.ok(requested("pdf").length > 0);
  browser.server.requests.length = 0;
  await choose({ ...file("mill.pdf", ""), buffer: makePdf(TEXTS) });
  await page().waitForSelector("#own-taken:has-text('3 texts in use: mill.pdf (3)')");
  assert.deepEqual(browser.server.requests.filter((line) => !/pdf/.test(line)), []);
  await demo.loadModel();
  await askOwn();
  assert.equal((await titles())[0], "mill.pdf, page 3");
  assert.equal(await page().textContent("#first-rows > .row:first-child .row-text"), TEXTS[2]);
});

it("a PDF's Chinese, by the tables of characters that lie beside the page", LIMIT, async () => {
  await open();
  browser.server.requests.length = 0;
  await choose({ ...file("oil.pdf", ""), buffer: makeChinesePdf("石油和水不能混合") });
  await page().waitForSelector("#own-taken:has-text('1 text in use: oil.pdf (1)')");
  assert.ok(requested("/cmaps/").length > 0);
  await demo.loadModel();
  await demo.ask("石油");
  await demo.reranked();
  assert.equal(await page().textContent("#first-rows > .row:first-child .row-text"), "石油和水不能混合");
});

it("nothing of a text in an error, nothing taken of what is no text", LIMIT, async () => {
  await open();
  await choose(file("a.bin", "\0\0secret"), file("b.csv", "secret,other\n1,2\n"), file("c.txt", "\n"));
  await page().waitForSelector("#own-faults");
  const told = await page().textContent("#own-status");
  for (const part of ["a.bin is neither a PDF nor text", "b.csv, line 1 is no header", "c.txt holds no text"]) assert.ok(told.includes(part), told);
  assert.doesNotMatch(told, /secret/);
  assert.equal(await page().isVisible("#own-taken"), false);
  assert.ok((await demo.rows("first")).length > 0);
});
