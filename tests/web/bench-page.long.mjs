// The page that measures a machine, as a visitor has it: one button, and a report to paste.
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { after, afterEach, before, describe, it } from "node:test";
import { openSite, screenshot, setTheme, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData, QUESTIONS, tinyModel } from "./lib/demo-data.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";

/** An adapter in software takes most of a minute to check. */
const LIMIT = { timeout: 300_000 };
const LENGTH = 550;
/** What Chromium says of its own accord where a page asks for an adapter. */
const NO_ADAPTER = "warning: No available adapters.";

let browser;
let site;
let texts;
before(() => {
  needDemo();
  texts = [...prepareTinyData("bench").values()];
});
afterEach(async () => {
  const complaints = site?.complaints.filter((complaint) => complaint !== NO_ADAPTER);
  await site?.close();
  site = undefined;
  assert.deepEqual(complaints, [], "the console is not empty");
});

async function open(options) {
  site = await openSite(browser, "bench.html", tinySettings(browser.server, "bench"), { permissions: ["clipboard-read", "clipboard-write"], ...options });
  return site.page;
}

async function measured(page) {
  await page.waitForSelector("#bench[data-state=done]", { timeout: LIMIT.timeout });
  return page.inputValue("#report");
}

/** The value behind a label in the report. */
const valueOf = (report, label) => new RegExp(`^  ${label} {2,}(.*)$`, "m").exec(report)?.[1];

/** How many tokens the command line makes of the texts that the page says it took. */
function tokensOf(speed) {
  const documents = Number(/\((\d+) documents?,/.exec(speed)[1]);
  const distance = (text) => Math.abs(text.length - LENGTH);
  const taken = [...texts].sort((a, b) => distance(a) - distance(b)).slice(0, documents);
  return native.tokens(tinyModel(), "document", taken) + native.tokens(tinyModel(), "query", [QUESTIONS[0].text]);
}

function assertMeasured(report, names) {
  for (const name of names) {
    const [speed, checks] = [...report.matchAll(new RegExp(`^  ${name} {2,}(.*)$`, "gm"))].map(([, value]) => value);
    const [, perSecond, tokens, time] = /^([\d,]+) \(\d+ documents?, ([\d,]+) tokens, in ([\d,.]+) ms/.exec(speed).map((text) => Number(text.replaceAll(",", "")));
    assert.equal(tokens, tokensOf(speed));
    assert.ok(Math.abs((1000 * tokens) / perSecond / time - 1) < 0.1, speed);
    const [, right, all] = /^(\d+) of (\d+) right, seed \d+; farthest: /.exec(checks);
    assert.ok(right === all && Number(all) > 50, checks);
  }
}

describe("without WebGPU", () => {
  before(async () => {
    browser = await openBrowser({ webgpu: false });
  });
  after(() => browser?.close());

  it("by keyboard: one button measures, another copies", LIMIT, async () => {
    const page = await open();
    await page.focus("#start");
    await page.keyboard.press("Enter");
    const report = await measured(page);
    assert.equal(await page.evaluate(() => document.activeElement.id), "report-title");
    assert.match(await page.textContent("#bench-status"), /every operation is right/);
    assert.ok(valueOf(report, "browser").includes(browser.browser.version()), report);
    assert.equal(valueOf(report, "cores"), String(await page.evaluate(() => navigator.hardwareConcurrency)));
    assert.match(valueOf(report, "adapter"), /^none: /);
    assert.equal(valueOf(report, "isolated"), "no");
    assertMeasured(report, ["CPU", "CPU without relaxed SIMD"]);
    assert.match(valueOf(report, "as the package chooses"), /^[\d,]+ \(\d+ documents?, .* cpu with \d+ workers? \(only\)/);
    assert.match(report, /^ {2}CPU {2,}.* relaxed; cpu with 1 worker \(asked\); NO_LATE_INTERACTION_HEAD$/m);
    assert.match(report, /^ {2}CPU without relaxed SIMD {2,}.* simd128; cpu with 1 worker \(asked\); NO_LATE_INTERACTION_HEAD$/m);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "report");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#copied:text-is('Copied.')");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), report);
  });

  it("a browser that lets no page copy: the text is selected", LIMIT, async () => {
    const page = await open();
    await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
    await page.click("#start");
    const report = await measured(page);
    await page.click("#copy");
    await page.waitForSelector("#copied:text-matches('by hand')");
    assert.equal(await page.evaluate(() => getSelection().toString()), report);
  });

  it("is cancelled, and measures again", LIMIT, async () => {
    const page = await open();
    await page.click("#start");
    await page.click("#bench-controls button:text('Cancel')");
    await page.waitForSelector("#bench[data-state=idle]");
    assert.equal(await page.textContent("#bench-status"), "Cancelled.");
    await page.click("#start");
    await measured(page);
    await page.click("#copy");
    await page.waitForSelector("#copied:text-is('Copied.')");
    await page.click("#start");
    await measured(page);
    assert.equal(await page.textContent("#copied"), "");
  });

  it("a browser that never tells of its adapters: it is cancelled all the same, and nothing is told later", LIMIT, async () => {
    const page = await open();
    await page.evaluate(() => {
      const answer = new Promise((resolve) => (globalThis.answer = resolve));
      Object.defineProperty(Navigator.prototype, "gpu", { value: { requestAdapter: () => answer } });
    });
    await page.click("#start");
    await page.click("#bench-controls button:text('Cancel')");
    await page.waitForSelector("#bench[data-state=idle]");
    await page.evaluate(() => globalThis.answer(null));
    await page.waitForTimeout(500);
    assert.equal(await page.textContent("#bench-status"), "Cancelled.");
  });

  it("axe finds nothing in either theme, and nothing scrolls sideways at 320 pixels", LIMIT, async () => {
    const page = await open({ viewport: { width: 320, height: 640 } });
    const assertClean = async (state) => {
      for (const theme of ["light", "dark"]) {
        await setTheme(page, theme);
        const { violations } = await new AxeBuilder({ page }).analyze();
        assert.deepEqual(violations.map(({ id, nodes }) => `${state}, ${theme}: ${id} at ${nodes.map(({ target }) => target)}`), []);
        await screenshot(page, `bench-page-${state}-${theme}`);
      }
      assert.ok((await page.evaluate(() => document.scrollingElement.scrollWidth)) <= 320, state);
    };
    await assertClean("idle");
    await page.click("#start");
    await measured(page);
    await assertClean("done");
  });
});

describe("with WebGPU", () => {
  before(async () => {
    browser = await openBrowser({ webgpu: true });
  });
  after(() => browser?.close());

  it("the adapter, its speed and its operations are part of the report", LIMIT, async () => {
    const page = await open();
    await page.click("#start");
    const report = await measured(page);
    assert.match(valueOf(report, "adapter"), /swiftshader/i);
    assertMeasured(report, ["CPU", "WebGPU"]);
  });
});
