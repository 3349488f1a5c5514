// The demo page for everyone: by keyboard, on a narrow screen, in both themes, and for assistive technology.
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { after, afterEach, before, it } from "node:test";
import { openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData, QUESTIONS } from "./lib/demo-data.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";

const LIMIT = { timeout: 60_000 };
const STATES = ["idle", "ready", "results", "explained"];

let browser;
let demo;
before(async () => {
  needDemo();
  prepareTinyData("access");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(() => demo?.close());

const open = (options) => openDemo(browser, { ...tinySettings(browser.server, "access"), device: "cpu", candidates: 10 }, options);

/** Brings the page from the state before to this one. */
const reach = {
  idle: () => demo.page.waitForSelector("#results .row:visible"),
  ready: () => demo.loadModel(),
  results: async () => {
    await demo.ask(QUESTIONS[0].text);
    await demo.reranked();
  },
  explained: () => demo.explain(),
};

for (const theme of ["light", "dark"]) {
  it(`axe finds nothing in the ${theme} theme, whatever the state`, LIMIT, async () => {
    demo = await open();
    await demo.setTheme(theme);
    for (const state of STATES) {
      await reach[state]();
      const { violations } = await new AxeBuilder({ page: demo.page }).analyze();
      const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${state}: ${id} at ${target}`));
      assert.deepEqual(found, []);
    }
  });
}

it("nothing is cut off or scrolls sideways at 320 pixels", LIMIT, async () => {
  demo = await open({ viewport: { width: 320, height: 640 } });
  for (const state of STATES) {
    await reach[state]();
    const { wide, beyond } = await demo.page.evaluate(measureWidth);
    assert.ok(wide <= 320, `${state}: ${wide} pixels wide`);
    assert.deepEqual(beyond, [], state);
  }
  for (const theme of ["light", "dark"]) {
    await demo.setTheme(theme);
    await demo.screenshot(`narrow-${theme}`);
  }
});

it("the whole way by keyboard: ask, read, open an explanation, look at a match, clear", LIMIT, async () => {
  demo = await open();
  const { page } = demo;
  const { keyboard } = page;
  await reach.idle();
  await keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "question");
  await keyboard.type("the price of oil");
  await keyboard.press("Enter");
  await demo.reranked();
  await tabTo(page, "#reranked-rows .row h3 button");
  await keyboard.press("Enter");
  await page.waitForSelector("#reranked-rows .heat-map");
  await tabTo(page, "#reranked-rows li + li > .chip");
  assert.match(await page.textContent("#reranked-rows .match-told"), /“the” matched/);
  assert.ok(await page.$("#reranked-rows .heat-map [data-on]"));
  await keyboard.press("/");
  await keyboard.press("Escape");
  assert.equal(await page.inputValue("#question"), "");
});

it("settings by keyboard: the radios answer to arrows", LIMIT, async () => {
  demo = await open();
  const { page } = demo;
  await reach.idle();
  await tabTo(page, "#theme input");
  for (let presses = 0; presses < 3 && (await page.getAttribute("html", "data-theme")) !== "dark"; presses++) await page.keyboard.press("ArrowRight");
  assert.equal(await page.getAttribute("html", "data-theme"), "dark");
});

/** How wide the page is, and what stands outside of it. */
function measureWidth() {
  const isOutside = ({ left, right, width }) => width > 0 && (left < 0 || right > document.documentElement.clientWidth);
  const outside = [...document.querySelectorAll("body *")].filter((element) => isOutside(element.getBoundingClientRect()));
  return { wide: document.scrollingElement.scrollWidth, beyond: outside.map(({ localName, className }) => `${localName}.${className}`) };
}

/** Presses Tab until something with this selector has the focus, which has to be visible. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(describeFocus, selector);
    assert.ok(focus.isVisible, `the focus on ${focus.name} cannot be seen`);
    if (focus.isThere) return;
  }
  assert.fail(`no Tab leads to ${selector}`);
}

/** A radio's focus shows on the label beside it. */
function describeFocus(selector) {
  const { activeElement } = document;
  const isVisible = [activeElement, activeElement.nextElementSibling].some((element) => {
    const { outlineStyle, outlineWidth } = element ? getComputedStyle(element) : {};
    return element && outlineStyle !== "none" && outlineWidth !== "0px";
  });
  return { isVisible, isThere: activeElement.matches(selector), name: `${activeElement.localName}#${activeElement.id}` };
}
