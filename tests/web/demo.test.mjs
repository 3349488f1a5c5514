// The packed package in the demo page, built by Vite, below a sub-path, under a strict policy, used as a person uses it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { closeQuiet, openDemo, tinySettings } from "./lib/demo.mjs";
import { HOSTILE, prepareTinyData, QUESTIONS, tinyModel } from "./lib/demo-data.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needCli, needDemo, needMiniLm, OUTPUT } from "./lib/paths.mjs";

const LIMIT = { timeout: 120_000 };
const CANDIDATES = 5;
const QUESTION = "Which river flows through the middle of Warsaw?";
// The page's default weights.
const BUNDLE = "www/dist/models/all-MiniLM-L6-v2-q8";

let tiny;
let demo;
before(() => {
  needDemo();
  needCli();
  tiny = prepareTinyData("demo");
});
afterEach(async () => {
  const done = demo;
  demo = undefined;
  await closeQuiet(done);
});

/** What the page shows is what the command line computes of the same candidates. */
async function assertNative(model, question, texts) {
  const candidates = (await demo.rows("first")).map(({ id }) => id);
  const shown = await demo.rows("reranked");
  const expected = native.rerank(model, question, candidates.map((id) => texts.get(id)));
  assert.deepEqual(shown.map(({ id }) => id), expected.map(({ index }) => candidates[index]));
  for (const [place, { figures: [score] }] of shown.entries()) {
    // The page shows two decimals, of embeddings that it keeps as f16.
    assert.ok(Math.abs(score - expected[place].score) <= 0.006, `${score}, expected ${expected[place].score}`);
  }
}

describe("without WebGPU, with the default model", () => {
  let browser;
  let texts;
  let folder;
  before(async () => {
    needMiniLm();
    folder = need(BUNDLE, "make site");
    browser = await openBrowser({ webgpu: false });
    const corpus = await readFile(need("www/dist/data/documents.jsonl", "make site"), "utf8");
    texts = new Map(corpus.trim().split("\n").map((line) => JSON.parse(line)).map(({ id, text }) => [id, text]));
  });
  after(() => browser?.close());

  it("a question: the first order at once, then the better one, equal to the native one, with no request after the load", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: CANDIDATES });
    await demo.loadModel();
    await demo.reranked();
    browser.server.requests.length = 0;
    await demo.ask(QUESTION);
    await demo.page.waitForSelector("#reranked[data-run=reranking]");
    assert.equal((await demo.rows("first")).length, CANDIDATES);
    assert.deepEqual((await demo.rows("reranked")).map(({ id }) => id), (await demo.rows("first")).map(({ id }) => id));
    await demo.reranked();
    await assertNative(folder, QUESTION, texts);
    assert.equal(await demo.page.textContent("#request-count"), "0");
    assert.deepEqual(browser.server.requests, []);
    assert.equal(await demo.page.textContent("#device-in-use"), "the CPU");
    assert.equal(await demo.page.textContent("#weights-in-use"), "q8");
    await demo.ask(QUESTION);
    await demo.page.waitForSelector(`#timings [data-stage="known before"] dd:text-is("${CANDIDATES} of ${CANDIDATES}")`);
    await demo.reranked();
    await assertNative(folder, QUESTION, texts);
    await demo.explain();
    for (const theme of ["light", "dark"]) {
      await demo.setTheme(theme);
      await demo.screenshot(`wide-${theme}`);
    }
  });

  it("a second visit takes the model from the browser's storage: no request for it", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: CANDIDATES });
    await demo.loadModel();
    browser.server.requests.length = 0;
    await demo.page.reload();
    await demo.page.waitForSelector("#model[data-state=ready]");
    await demo.reranked();
    assert.deepEqual(browser.server.requests.filter((request) => request.includes("/models/")), []);
  });

  it("offline after the load: questions still work, and nothing is asked for", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: CANDIDATES });
    await demo.loadModel();
    await demo.reranked();
    await demo.context.setOffline(true);
    browser.server.requests.length = 0;
    await demo.ask(QUESTION);
    await demo.page.waitForSelector("#reranked[data-run=reranking]");
    await demo.reranked();
    assert.equal((await demo.rows("reranked")).length, CANDIDATES);
    assert.deepEqual(browser.server.requests, []);
    assert.equal(await demo.page.textContent("#request-count"), "0");
  });

  it("other weights are another download, with its size, that is asked for", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: CANDIDATES });
    await demo.loadModel();
    await demo.reranked();
    browser.server.requests.length = 0;
    await demo.chooseWeights("q4");
    await demo.page.waitForSelector("#model[data-state=idle]");
    assert.match(await demo.page.textContent("#load-model"), /\(\d+ MB\)/);
    assert.deepEqual(browser.server.requests.filter((request) => request.includes("/models/")).map((request) => request.split("/").at(-1)), ["sizes.json"]);
    await demo.loadModel();
    await demo.reranked();
    assert.equal(await demo.page.textContent("#weights-in-use"), "q4");
    browser.server.requests.length = 0;
    await demo.chooseWeights("q8");
    await demo.page.waitForFunction(() => document.querySelector("#weights-in-use")?.textContent === "q8");
    assert.deepEqual(browser.server.requests.filter((request) => request.includes("/models/")), [], "what is in the storage was asked for");
  });

  it("a rerank that is cancelled leaves the first order, and can be asked for again", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: 100 });
    await demo.loadModel();
    await demo.page.waitForSelector("#reranked[data-run=reranking]");
    await demo.page.click("#reranked-status button:text('Cancel')");
    await demo.page.waitForSelector("#reranked[data-run=cancelled]");
    assert.deepEqual((await demo.rows("reranked")).map(({ id }) => id), (await demo.rows("first")).map(({ id }) => id));
    await demo.page.click("#reranked-status button:text('Rerank')");
    await demo.reranked();
  });

  it("no row moves under a reader who is in the list: the better order is offered, and taken by a press", LIMIT, async () => {
    demo = await openDemo(browser, { candidates: 50 });
    const { page } = demo;
    await demo.loadModel();
    await page.waitForSelector("#reranked[data-run=reranking]");
    await page.focus("#reranked-rows > .row:nth-child(2) h3 button");
    const places = () => page.$$eval("#results .row:not([hidden])", (rows) => rows.map((row) => [row.dataset.paragraph, Math.round(row.getBoundingClientRect().top)]));
    const before = await places();
    await page.waitForSelector("#reranked[data-run=offered]");
    assert.deepEqual(await places(), before);
    await page.waitForFunction(() => document.querySelector("#announcer").textContent === "A better order is available.");
    await page.click("#reranked-status button:has-text('Better order available')");
    await demo.reranked();
    assert.notDeepEqual(await places(), before);
    assert.equal(await page.evaluate(() => document.activeElement.id), "reranked-title");
  });
});

describe("with WebGPU, with a tiny model", () => {
  let browser;
  before(async () => {
    browser = await openBrowser({ webgpu: true });
  });
  after(() => browser?.close());

  it("reranks on WebGPU as the command line does", LIMIT, async () => {
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), device: "webgpu", candidates: 10 });
    await demo.loadModel();
    await demo.reranked();
    assert.equal(await demo.page.textContent("#device-in-use"), "WebGPU");
    await assertNative(tinyModel(), QUESTIONS[0].text, tiny);
    assert.equal(await demo.page.textContent("#request-count"), "0");
  });

  it("takes a model of another architecture, with a head, by its address alone", LIMIT, async () => {
    const [name, fixture] = ["demo-modernbert", "modernbert-wide"];
    const texts = prepareTinyData(name, fixture);
    demo = await openDemo(browser, { ...tinySettings(browser.server, name, fixture), device: "cpu", candidates: 10 });
    await demo.loadModel();
    await demo.reranked();
    await assertNative(tinyModel(fixture), QUESTIONS[0].text, texts);
    await demo.explain();
  });

  it("does not search vectors that another model made, however wide, and ranks an example's candidates all the same", LIMIT, async () => {
    const { model } = tinySettings(browser.server, "demo", "pylate");
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), model, device: "cpu", candidates: 5 });
    await demo.loadModel();
    await demo.ask("Which river runs through the city?");
    await demo.page.waitForSelector("#reranked[data-run=failed]");
    assert.match(await demo.page.textContent("#reranked-status"), /DATA_MISMATCH.*are those of another model/s);
    await demo.ask(QUESTIONS[0].text);
    await demo.reranked();
  });

  it("shows a hundred hostile texts as texts", LIMIT, async () => {
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), device: "cpu", candidates: 200 });
    await demo.loadModel();
    for (const question of [QUESTIONS[1].text, ...HOSTILE.slice(0, 3)]) {
      await demo.ask(question);
      await demo.page.waitForFunction((expected) => document.querySelector("#question").value === expected, question);
      await demo.reranked();
    }
    await demo.page.click("#reranked-rows .unfold button");
    await demo.page.$$eval("#results h3 button", (buttons) => buttons.forEach((button) => button.click()));
    assert.equal(HOSTILE.length, 100);
    for (const list of ["first", "reranked"]) {
      const shown = await demo.page.textContent(`#${list}-rows`);
      for (const text of HOSTILE) assert.ok(shown.includes(text), text);
    }
    const foreign = await demo.page.$$eval("#first-rows *, #reranked-rows *, #examples *", (elements) =>
      elements
        .filter(({ localName, attributes }) => /^(script|img|svg|a|iframe|style|link|details|h1|input|video|body|form|math|meta|base|object|template)$/.test(localName) || [...attributes].some(({ name }) => /^(on|src|href)/.test(name)))
        .map(({ outerHTML }) => outerHTML),
    );
    assert.deepEqual(foreign, []);
  });

  it("shows the order after each stage, and moves nothing else", LIMIT, async () => {
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), device: "cpu", candidates: 10 });
    assert.equal(await demo.page.isVisible("#stages"), false);
    await demo.loadModel();
    await demo.reranked();
    const [reranked, first] = [await demo.rows("reranked"), await demo.rows("first")];
    const after = async (stage) => {
      await demo.page.locator("#stages label", { hasText: stage }).click();
      return demo.rows("reranked");
    };
    const ids = (rows) => rows.map(({ id }) => id);
    const bm25 = await after("BM25");
    assert.match(await demo.page.textContent("#reranked-way"), /BM25/);
    assert.deepEqual(ids(bm25).toSorted(), ids(first).toSorted());
    assert.notDeepEqual(ids(bm25), ids(reranked));
    const scores = bm25.map(({ figures: [score] }) => score);
    assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
    assert.deepEqual(ids(await after("Dense")), ids(first));
    await demo.explain();
    assert.deepEqual(await after("MaxSim"), reranked);
    assert.deepEqual(await demo.rows("first"), first);
  });

  it("searches the index in place of the first stage, fetches what it says, and shows what that gives away", LIMIT, async () => {
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), device: "cpu", candidates: CANDIDATES });
    await demo.loadModel();
    await demo.reranked();
    const status = () => demo.page.textContent("#first-status");
    assert.equal(await demo.page.isVisible("#index-note"), false);
    assert.doesNotMatch(await status(), /index/);
    browser.server.requests.length = 0;
    await demo.page.check("#first-stage input[value=index]", { force: true });
    await demo.page.waitForSelector('#first-status:has-text("of the index fetched")');
    await demo.reranked();
    const parts = browser.server.requests.filter((line) => /\/index\/(lists|documents)-/.test(line)).length;
    assert.ok(parts > 0);
    assert.match(await status(), new RegExp(`; ${parts} parts? of the index fetched, [\\d.]+ [kM]B$`));
    assert.equal(await demo.page.textContent("#first-title"), "Index search order");
    assert.equal(await demo.page.isVisible("#index-note"), true);
    const found = native.searchIndex(tinyModel(), join(OUTPUT, "data/demo/index"), QUESTIONS[0].text, CANDIDATES);
    const rows = await demo.rows("first");
    assert.deepEqual(rows.map(({ id }) => id), found.map(({ id }) => id));
    for (const [place, { figures: [score] }] of rows.entries()) assert.ok(Math.abs(score - found[place].score) <= 0.0006, `${score}`);
    await demo.ask("oil");
    await demo.page.waitForSelector('#first-status:has-text("of the index fetched")');
    await demo.reranked();
    await demo.ask("oil");
    await demo.page.waitForSelector('#first-status:has-text("no part of the index fetched")');
    await demo.reranked();
    for (const theme of ["light", "dark"]) {
      await demo.setTheme(theme);
      await demo.screenshot(`index-${theme}`);
    }
    await demo.page.check("#first-stage input[value=vectors]", { force: true });
    await demo.reranked();
    assert.equal(await demo.page.textContent("#first-title"), "Dense search order");
  });

  it("says that a question was cut", LIMIT, async () => {
    demo = await openDemo(browser, { ...tinySettings(browser.server, "demo"), device: "cpu", candidates: 5 });
    await demo.loadModel();
    await demo.reranked();
    const note = () => demo.page.locator("#reranked-status .note").allTextContents();
    assert.deepEqual(await note(), []);
    await demo.ask("oil ".repeat(200));
    await demo.page.waitForSelector("#reranked-status .note");
    assert.match((await note()).join(), /longer than the model reads/);
  });
});
