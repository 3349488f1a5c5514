// The demo page for everyone: by keyboard, on a narrow screen, in both themes, with large text, and for assistive technology.
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { after, afterEach, before, it } from "node:test";
import { openDemo, tinySettings } from "./lib/demo.mjs";
import { prepareTinyData, QUESTIONS } from "./lib/demo-data.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needDemo } from "./lib/paths.mjs";

const LIMIT = { timeout: 120_000 };

let browser;
let demo;
/** Lets a download go on that was held up. */
let release;
before(async () => {
  needDemo();
  prepareTinyData("access");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(() => demo?.close());

const open = async (options) => {
  const hub = new URL(browser.server.url("strict/hub/")).pathname;
  demo = await openDemo(browser, { ...tinySettings(browser.server, "access"), device: "cpu", candidates: 10, hub }, options);
};

/** Brings the page from the state before to this one. */
const REACH = {
  idle: () => demo.page.waitForSelector("#results .row:visible"),
  choosing: async () => {
    await demo.page.click("#model-chooser > summary");
    await demo.page.fill("#hub-id", "no id");
    await demo.page.click("#model-form button");
  },
  faults: async () => {
    await demo.page.click("#model-chooser > summary");
    await demo.page.setInputFiles("#own-files", [{ name: "a.jsonl", mimeType: "", buffer: Buffer.from("no\n") }]);
    await demo.page.waitForSelector("#own-faults");
  },
  loading: async () => {
    await demo.page.click("#own > summary");
    const held = new Promise((done) => (release = done));
    await demo.context.route("**/model.safetensors", (route) => held.then(() => route.continue()));
    // The panel's button is far below on narrow screens, and who has scrolled is not shown another order unasked.
    await demo.page.click("#reranked-status button");
    await demo.page.waitForSelector("#model[data-state=loading] progress");
  },
  ready: async () => {
    release();
    await demo.page.waitForSelector("#model[data-state=ready]");
    await demo.reranked();
  },
  results: async () => {
    await demo.ask(QUESTIONS[0].text);
    await demo.reranked();
  },
  explained: () => demo.explain(),
  reported: async () => {
    await demo.page.click("#copy-report");
    await demo.page.waitForSelector("#shared:visible");
  },
  own: async () => {
    await demo.page.click("#own > summary");
    await demo.page.fill("#own-text", "One text.\n\nAnother text about oil.");
    await demo.page.click("#own-form button");
    await demo.page.waitForSelector("#own-taken");
    await demo.ask("oil");
    await demo.reranked();
  },
  consent: async () => {
    await demo.page.click("#own-leave");
    await demo.page.click("#own > summary");
    await demo.page.click("#model-chooser > summary");
    await demo.page.fill("#hub-id", "someone/none");
    await demo.page.click("#model-form button");
    await demo.page.waitForSelector("#ask-hub");
  },
  failed: async () => {
    await demo.page.click("#ask-hub");
    await demo.page.waitForSelector("#model[data-state=failed]");
  },
  offline: async () => {
    await demo.context.setOffline(true);
    await demo.page.waitForSelector("#model:has-text('You are offline')");
  },
};

/** With text of this size, in per cent. */
const setTextSize = (size) => demo.page.evaluate((size) => void (document.documentElement.style.fontSize = `${size}%`), size);

/** How to come to each way, and the rules of axe that may find something else there than in the light theme; there all of them are asked. */
const WAYS = {
  light: { set: () => demo.setTheme("light") },
  dark: { set: () => demo.setTheme("dark"), rules: ["color-contrast"] },
  "large text": { set: () => setTextSize(200), rules: ["color-contrast", "target-size", "scrollable-region-focusable"] },
};

it("axe finds nothing in any state, in the light theme, the dark one and with text of twice the size", LIMIT, async () => {
  await open();
  const found = [];
  for (const [state, reach] of Object.entries(REACH)) {
    await reach();
    for (const [way, { set, rules }] of Object.entries(WAYS)) {
      await set();
      const axe = new AxeBuilder({ page: demo.page });
      const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
      found.push(...violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${state}, ${way}: ${id} at ${target}`)));
      if (way === "large text") found.push(...(await outside(`${state}, ${way}`, 1280)));
      if (way !== "large text") await demo.screenshot(`wide-${state}-${way}`);
    }
    await setTextSize(100);
  }
  assert.deepEqual(found, []);
});

it("nothing is cut off or scrolls sideways at 320 pixels, and the results come before model and settings", LIMIT, async () => {
  await open({ viewport: { width: 320, height: 640 } });
  for (const [state, reach] of Object.entries(REACH)) {
    await reach();
    // The margin is as wide as a scroll bar may be.
    assert.deepEqual(await outside(state, 320 - 15), []);
    const [results, model, settings] = await demo.page.$$eval("#results, #model, #settings", (parts) => parts.map((part) => part.getBoundingClientRect()));
    assert.ok(results.bottom <= model.top && model.bottom <= settings.top, state);
    await demo.screenshot(`narrow-${state}`);
  }
});

it("the whole way by keyboard: load, ask, read, open an explanation, look at a match, see the other orders, report, clear", LIMIT, async () => {
  await open({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = demo;
  const { keyboard } = page;
  await REACH.idle();
  await tabTo(page, "#reranked-status button");
  await keyboard.press("Enter");
  await demo.reranked();
  await keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "question");
  await keyboard.type("the price of oil");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#first-rows").textContent.includes("cosine"));
  await demo.reranked();
  await tabTo(page, "#stages input");
  await keyboard.press("ArrowLeft");
  assert.match(await page.textContent("#reranked-way"), /BM25/);
  await keyboard.press("ArrowRight");
  await tabTo(page, "#reranked-rows .row h3 button");
  await keyboard.press("Enter");
  await page.waitForSelector("#reranked-rows .heat-map");
  assert.match(await page.textContent("#reranked-rows .why"), /^First, as “.+” found “.+” \([\d.]+ % of the score\).*above that of place 2\. The dense search had it at place \d+/);
  await tabTo(page, "#reranked-rows li + li > .chip");
  assert.match(await page.textContent("#reranked-rows .match-told"), /“the” matched/);
  assert.ok(await page.$("#reranked-rows .heat-map [data-on]"));
  await tabTo(page, "#copy-report");
  await keyboard.press("Enter");
  await page.waitForSelector("#share-told:has-text('Copied.')");
  await keyboard.press("/");
  await keyboard.press("Escape");
  assert.equal(await page.inputValue("#question"), "");
});

it("settings, another model and texts of one's own by keyboard", LIMIT, async () => {
  await open();
  const { page } = demo;
  const { keyboard } = page;
  await REACH.idle();
  await tabTo(page, "#theme input");
  for (let presses = 0; presses < 3 && (await page.getAttribute("html", "data-theme")) !== "dark"; presses++) await keyboard.press("ArrowRight");
  assert.equal(await page.getAttribute("html", "data-theme"), "dark");
  await tabTo(page, "#own > summary");
  await keyboard.press("Enter");
  await tabTo(page, "#own-text");
  await keyboard.type("A text about oil.");
  await tabTo(page, "#own-form button");
  await keyboard.press("Enter");
  await page.waitForSelector("#own-taken");
  await tabTo(page, "#model-chooser > summary");
  await keyboard.press("Enter");
  await tabTo(page, "#hub-id");
  await keyboard.type("someone/stanford");
  await keyboard.press("Enter");
  await page.waitForSelector("#ask-hub");
  assert.equal(await page.evaluate(() => document.activeElement.id), "model-title");
});

it("results are lists, one polite line tells what there is to tell, and a list is busy while its order may change", LIMIT, async () => {
  await open();
  await REACH.idle();
  const { page } = demo;
  assert.deepEqual(await page.$$eval("[role=status], [role=alert], [aria-live]", (regions) => regions.map(({ id }) => id)), ["announcer"]);
  assert.deepEqual(await page.$$eval("#results .rows", (lists) => lists.map(({ localName }) => localName)), ["ol", "ol"]);
  await page.waitForFunction(() => /in their first order/.test(document.querySelector("#announcer").textContent));
  const told = await listenToAnnouncer(page);
  await demo.loadModel();
  await demo.reranked();
  await page.waitForFunction(() => /reordered by relevance/.test(document.querySelector("#announcer").textContent));
  assert.equal(await page.getAttribute("#reranked-rows", "aria-busy"), "false");
  await demo.ask("the price of oil");
  await page.waitForTimeout(1500);
  assert.deepEqual((await told()).filter((line) => !/reordered by relevance\.|Model ready/.test(line)), []);
});

it("with reduced motion nothing glides", LIMIT, async () => {
  await open({ reducedMotion: "reduce" });
  await REACH.idle();
  await demo.page.evaluate(() => {
    globalThis.animations = 0;
    const animate = Element.prototype.animate;
    Element.prototype.animate = function (...how) {
      globalThis.animations++;
      return animate.apply(this, how);
    };
  });
  await demo.loadModel();
  await demo.reranked();
  assert.equal(await demo.page.evaluate(() => globalThis.animations), 0);
  await demo.page.emulateMedia({ reducedMotion: "no-preference" });
  await demo.ask("the price of oil");
  await demo.page.waitForFunction(() => globalThis.animations > 0);
});

/** What stands outside of a page of this width, which stands in the state. */
async function outside(state, width) {
  const { wide, beyond } = await demo.page.evaluate(measureWidth);
  return [...(wide > width ? [`${wide} pixels wide`] : []), ...beyond].map((each) => `${state}: ${each}`);
}

function measureWidth() {
  const isOutside = ({ left, right, width }) => width > 0 && (left < 0 || right > document.documentElement.clientWidth);
  const outside = [...document.querySelectorAll("body *")].filter((element) => isOutside(element.getBoundingClientRect()));
  return { wide: document.scrollingElement.scrollWidth, beyond: outside.map(({ localName, className }) => `${localName}.${className}`) };
}

/** Gives a function that tells all lines that were announced, one that is told again once. */
async function listenToAnnouncer(page) {
  await page.evaluate(() => {
    globalThis.announced = [];
    const line = document.querySelector("#announcer");
    let last = line.textContent;
    new MutationObserver(() => {
      if (line.textContent !== last) globalThis.announced.push(line.textContent);
      last = line.textContent;
    }).observe(line, { childList: true });
  });
  return () => page.evaluate(() => globalThis.announced);
}

/** Presses Tab until something with this selector has the focus, which has to be visible. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 120; presses++) {
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
