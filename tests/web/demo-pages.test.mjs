// A PDF's pages as images in the demo: what they take is told before any is read, they are read one by one, and a question shows where on them it was found.
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { after, afterEach, before, it } from "node:test";
import { closeQuiet, openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData } from "./lib/demo-data.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";
import { makeReport } from "./lib/pdf.mjs";

const LIMIT = { timeout: 120_000 };
const QUESTION = "What does the y axis show?";

let browser;
let demo;
before(async () => {
  needDemo();
  prepareTinyData("pages");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(async () => {
  const done = demo;
  demo = undefined;
  await closeQuiet(done);
});

const page = () => demo.page;
const file = (name, buffer) => ({ name, mimeType: "", buffer });
const choose = (...files) => page().setInputFiles("#own-files", files);

/** Drops a file on the page's head, as a hand would. */
const drop = ({ name, buffer }) =>
  page().evaluate(({ name, bytes }) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
    for (const type of ["dragover", "drop"]) document.querySelector("h1").dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }, { name, bytes: [...buffer] });
const requested = (part) => browser.server.requests.filter((line) => line.includes(part));
const focused = () => page().evaluate(() => document.activeElement.id);
const announced = (text) => page().waitForFunction((text) => document.querySelector("#announcer").textContent.includes(text), text);

const pathOf = (place) => new URL(browser.server.url(`strict/${place}/`)).pathname;

/** `model`: settings that say which model reads the pages. */
async function open(options, model = { "page-model": pathOf("fixtures/visual/colmodernvbert/checkpoint") }) {
  demo = await openDemo(browser, { ...tinySettings(browser.server, "pages"), ...model, device: "cpu", candidates: 10 }, options);
  await page().waitForSelector("#results .row:visible");
}

async function offered() {
  await drop(file("report.pdf", makeReport()));
  await page().click("#own-status .look");
  await page().waitForSelector("#pages-load");
}

async function load() {
  await page().click("#pages-load");
  await page().waitForSelector("#pages-read");
}

async function loaded() {
  await offered();
  await load();
}

async function read() {
  await page().click("#pages-read");
  await page().waitForSelector("#pages-told:has-text('All 3 pages are read')");
}

async function ask() {
  await page().fill("#pages-question", QUESTION);
  await page().press("#pages-question", "Enter");
  await page().waitForSelector("#pages-rows .page-answer");
  await page().waitForFunction(() => document.querySelectorAll("#pages-rows .page-thumb canvas").length === 3);
}

const told = () => page().textContent("#pages-status");

it("nothing of a model is asked for before the user says so, and what pages take is told before any is read", LIMIT, async () => {
  await open();
  browser.server.requests.length = 0;
  await offered();
  assert.equal(await focused(), "pages-title");
  assert.match(await told(), /^3 pages\. Reading them takes the model checkpoint \(\d+ [kM]B\)/);
  assert.deepEqual(requested("visual/colmodernvbert").filter((line) => line.startsWith("GET")), []);
  await page().click("#pages-load");
  await page().waitForSelector("#pages-read");
  assert.match(await told(), /About \d+ seconds? a page on this device, about .* for 3\./);
  assert.equal(await page().isVisible("#pages-form"), false);
  await announced("a page on this device");
});

it("a page model of the hub has its size and licence beside it, and is asked for in two steps", LIMIT, async () => {
  await open({}, { hub: pathOf("hub") });
  const ofHub = () => requested("/hub/").map((line) => line.replace(/.*\/hub\//, ""));
  assert.match(await page().textContent("#page-model-note"), /ColModernVBERT \(ModernVBERT\/colmodernvbert-merged, about 1008 MB from 127\.0\.0\.1:\d+, MIT; English/);
  browser.server.requests.length = 0;
  await drop(file("report.pdf", makeReport()));
  await page().click("#own-status .look");
  await page().waitForSelector("#pages-ask-hub");
  assert.match(await told(), /ColModernVBERT .*about 1008 MB .*MIT; English.* has not been contacted/);
  assert.deepEqual(ofHub(), []);
  await page().click("#pages-ask-hub");
  await page().waitForSelector("#pages-load");
  assert.match(await told(), /the model ModernVBERT\/colmodernvbert-merged \(\d+ kB\), .*licence: mit/);
  assert.deepEqual(ofHub(), ["api/models/ModernVBERT/colmodernvbert-merged?blobs=true"]);
  await load();
  assert.ok(ofHub().includes("ModernVBERT/colmodernvbert-merged/resolve/main/model.safetensors"), ofHub().join("\n"));
});

it("a page model that is chosen for texts is told where it belongs", LIMIT, async () => {
  await open();
  await page().click("#model-chooser > summary");
  await page().fill("#hub-id", "ModernVBERT/colmodernvbert-merged");
  await page().click("#model-form button");
  await page().waitForSelector("#hub-note:has-text('reads pages as images, and no texts')");
  assert.equal(await focused(), "hub-id");
});

it("a question shows pages with a heat map for each of its words, by keyboard alone", LIMIT, async () => {
  await open();
  await loaded();
  assert.equal(await focused(), "pages-read");
  await page().keyboard.press("Enter");
  await page().waitForSelector("#pages-told:has-text('All 3 pages are read')");
  await announced("All 3 pages are read.");
  assert.equal(await focused(), "pages-question");
  await page().keyboard.type(QUESTION);
  await page().keyboard.press("Enter");
  await page().waitForSelector("#pages-rows .page-answer");
  const titles = await page().$$eval("#pages-rows .row-title", (items) => items.map(({ textContent }) => textContent));
  assert.deepEqual(titles.toSorted(), ["report.pdf, page 1", "report.pdf, page 2", "report.pdf, page 3"]);
  const scores = await page().$$eval("#pages-rows .row-figures b", (items) => items.map(({ textContent }) => Number(textContent)));
  assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
  await announced(`3 pages, first ${titles[0]}.`);
  const chips = await page().$$eval("#pages-rows .chip", (items) => items.map(({ textContent }) => textContent));
  assert.ok(chips.length >= 6 && !chips.some((chip) => /CLS|SEP|end_of_utterance/.test(chip)), chips.join(" "));
  await page().focus("#pages-rows .chip");
  assert.match(await page().textContent("#pages-rows .match-told"), /similarity -?\d\.\d{3}, .* of the score/);
  const [width, height] = await page().$eval("#pages-rows .page-picture canvas", ({ width, height }) => [width, height]);
  assert.ok(Math.abs(width / height - 600 / 800) < 0.01, `${width} × ${height}`);
  await demo.screenshot("pages");
});

it("a PDF that is dropped is read, and a question shows its pages with their heat maps", LIMIT, async () => {
  await open();
  await loaded();
  await read();
  await ask();
  const titles = await page().$$eval("#pages-rows .row-title", (items) => items.map(({ textContent }) => textContent));
  assert.deepEqual(titles.toSorted(), ["report.pdf, page 1", "report.pdf, page 2", "report.pdf, page 3"]);
  await page().waitForSelector("#pages-rows .chip");
  assert.deepEqual(await page().$$eval("#pages-rows .page-thumb canvas", (canvases) => canvases.map(({ width, height }) => `${width} × ${height}`)), Array(3).fill("240 × 320"));
  const colours = await page().$$eval("#pages-rows .page-picture canvas", ([canvas]) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size);
  assert.ok(colours > 1, "nothing is drawn on the page");
  await page().click("#pages-rows .chip");
  const patches = await page().$$eval("#pages-rows .page-picture rect", ({ length }) => length);
  assert.ok(patches > 16, `a heat map of ${patches} patches`);
});

it("pages that were read stay when the rest is given up, and are not read again", LIMIT, async () => {
  await open();
  await loaded();
  await page().click("#pages-read");
  await page().waitForSelector("#pages-cancel").then((cancel) => cancel.click(), () => {});
  await page().waitForSelector("#pages-told");
  const left = await page().$("#pages-read");
  if (left) await left.click();
  await page().waitForSelector("#pages-told:has-text('All 3 pages are read')");
  await ask();
  await page().click("#pages-close");
  assert.equal(await page().isVisible("#pages"), false);
  browser.server.requests.length = 0;
  await page().click("#own-status .look");
  await page().waitForSelector("#pages-read");
  assert.deepEqual(requested("model.safetensors").filter((line) => line.startsWith("GET")), []);
  await page().click("#pages-read");
  await page().waitForSelector("#pages-told:has-text('All 3 pages are read')");
});

it("texts and images rank in three stages once the model for texts is there", LIMIT, async () => {
  await open();
  await loaded();
  await read();
  assert.equal(await page().isDisabled("#pages-stages [value=both]"), true);
  await demo.loadModel();
  assert.match(await page().textContent("#pages-stages-note"), /one vector of each page’s text.*the images choose.*by MaxSim over the tokens/);
  await page().check("#pages-stages [value=both]", { force: true });
  await ask();
  assert.match(await page().textContent("#pages-rows .row-figures"), /ranks \d, \d, 1/);
});

it("a cross-encoder reads the texts last, and the page says so", LIMIT, async () => {
  await open({}, { model: pathOf("fixtures/cross-encoders/bert/checkpoint"), "page-model": pathOf("fixtures/visual/colmodernvbert/checkpoint") });
  await loaded();
  await read();
  await demo.loadModel();
  assert.match(await page().textContent("#pages-stages-note"), /\(BM25\) find.*the images choose, and the cross-encoder checkpoint reads the texts/);
  await page().check("#pages-stages [value=both]", { force: true });
  await ask();
});

it("a PDF without text, or one that is broken, says so", LIMIT, async () => {
  await open();
  await choose(file("broken.pdf", Buffer.from("%PDF-1.4 and nothing more")));
  await page().waitForSelector("#own-faults:has-text('broken.pdf is no PDF that can be read')");
  assert.equal(await page().isVisible("#own-status .look"), false);
});

for (const theme of ["light", "dark"]) {
  it(`axe finds nothing in the ${theme} theme, and nothing scrolls sideways at 320 pixels`, LIMIT, async () => {
    await open({ viewport: { width: 320, height: 640 } });
    await demo.setTheme(theme);
    for (const reach of [offered, load, async () => (await read(), await ask())]) {
      await reach();
      const { violations } = await new AxeBuilder({ page: page() }).include("#pages").analyze();
      assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id} at ${target}`)), []);
      assert.ok((await page().evaluate(() => document.scrollingElement.scrollWidth)) <= 320);
    }
    const cut = await page().$$eval("#pages-rows .row-title", (titles) => titles.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ textContent }) => textContent));
    assert.deepEqual(cut, [], "a title without the number of its page");
    await demo.screenshot(`pages-${theme}`);
  });
}
