// A page under its own engine's protocol, with the names that Playwright has for what tests do with Chromium's: one test drives all of them.
import { EventEmitter } from "node:events";
import { writeFile } from "node:fs/promises";

/** Milliseconds that something is waited for, and between two looks. */
const PATIENCE = 60_000;
const PAUSE = 25;

/** Runs in the page. */
const IS_SEEN = "(element) => element.checkVisibility({ visibilityProperty: true })";

/** Runs in the page: the elements with a selector of CSS, which may say of Playwright's what the last of it holds as text. */
const FIND = `(selector) => {
  const texts = /:(text-is|has-text|text)\\((["'])(.*?)\\2\\)/g;
  const holds = ({ textContent }) => [...selector.matchAll(texts)].every(([, how, , text]) => (how === "text-is" ? textContent.trim() === text : textContent.includes(text)));
  return [...document.querySelectorAll(selector.replace(texts, "").replaceAll(":visible", ""))].filter(holds);
}`;

/** Runs in the page: the middle of an element that is to be seen and rests, or undefined. */
const REST = `async ([element]) => {
  const box = () => Object.values(element.getBoundingClientRect().toJSON()).join();
  if (!element || !(${IS_SEEN})(element)) return undefined;
  element.scrollIntoView({ block: "nearest" });
  const before = box();
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const { x, y, width, height } = element.getBoundingClientRect();
  return before === box() ? { x: x + width / 2, y: y + height / 2 } : undefined;
}`;

const asDate = (_, value) => (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value);

/**
 * `driver` has what a protocol gives: `goto`, `reload`, `run` (an expression whose value is a text), `click` at a point, `type`, `press`, `screenshot` and `close`.
 * What the page complains of comes as `console`, `pageerror` and `dialog`: where the protocol does not tell it, out of what pages/heard.js gathered.
 */
export class DrivenPage extends EventEmitter {
  #driver;
  #exposed = new Map();
  keyboard;

  constructor(driver) {
    super();
    this.#driver = driver;
    this.keyboard = { press: (key) => driver.press(key), type: (text) => driver.type(text) };
  }

  setDefaultTimeout() {}

  /** None is told of. */
  workers() {
    return [];
  }

  goto(address) {
    return this.#driver.goto(address);
  }

  reload() {
    return this.#driver.reload();
  }

  /** What a function, given a value, or an expression comes to in the page; the one and the other as JSON, with dates. */
  async evaluate(script, given) {
    const call = typeof script === "function" ? `(${script})(${JSON.stringify(given)})` : script;
    const answer = await this.#driver.run(`(async () => {
      const told = await (async () => ({ value: await ${call} }))().catch((error) => ({ error: String(error) }));
      const value = told.value === globalThis ? undefined : told.value;
      return JSON.stringify({ ...told, value, heard: globalThis.heard?.splice(0) });
    })()`);
    const { value, error, heard = [] } = JSON.parse(answer, asDate);
    for (const [event, ...about] of heard) this.#hear(event, about);
    if (error !== undefined) throw new Error(error);
    return value;
  }

  #hear(event, about) {
    if (event === "call") this.#exposed.get(about[0])(...about.slice(1));
    else if (event === "console") this.emit(event, { type: () => about[0], text: () => about[1] });
    else this.emit(event, { message: about[0] });
  }

  async exposeFunction(name, call) {
    if (this.#driver.expose) return this.#driver.expose(name, call);
    this.#exposed.set(name, call);
    await this.evaluate((name) => void (globalThis[name] = (...parameters) => globalThis.heard.push(["call", name, ...parameters])), name);
  }

  /** What a function's text makes of the elements with a selector. */
  #of(selector, of) {
    return this.evaluate(`(${of})((${FIND})(${JSON.stringify(selector)}))`);
  }

  async #until(what, look) {
    const last = performance.now() + PATIENCE;
    for (;;) {
      const seen = await look();
      if (seen) return seen;
      if (performance.now() > last) throw new Error(`not after ${PATIENCE} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  waitForFunction(isSo, given) {
    return this.#until(`${isSo} of ${JSON.stringify(given)}`, () => this.evaluate(isSo, given));
  }

  waitForSelector(selector) {
    return this.#until(`${selector} is to be seen`, () => this.isVisible(selector));
  }

  isVisible(selector) {
    return this.#of(selector, `(elements) => elements.some(${IS_SEEN})`);
  }

  /** Whether there is such an element. */
  $(selector) {
    return this.#of(selector, ({ length }) => length > 0);
  }

  $$eval(selector, of) {
    return this.#of(selector, of);
  }

  async textContent(selector) {
    return this.#first(selector, (element) => element.textContent);
  }

  async inputValue(selector) {
    return this.#first(selector, (element) => element.value);
  }

  async getAttribute(selector, name) {
    return this.#first(selector, `(element) => element.getAttribute(${JSON.stringify(name)})`);
  }

  async #first(selector, of) {
    await this.#until(`${selector} is there`, () => this.$(selector));
    return this.#of(selector, `([element]) => (${of})(element)`);
  }

  locator(selector, { hasText } = {}) {
    const full = hasText === undefined ? selector : `${selector}:has-text(${JSON.stringify(hasText)})`;
    return {
      click: () => this.click(full),
      allTextContents: () => this.#of(full, (elements) => elements.map((element) => element.textContent)),
    };
  }

  async click(selector) {
    const { x, y } = await this.#until(`${selector} rests`, () => this.#of(selector, REST));
    await this.#driver.click(x, y);
  }

  /** Types a text in the place of what a field holds. */
  async fill(selector, text) {
    await this.#focus(selector);
    await this.evaluate(() => document.activeElement.select());
    await this.#driver.type(text);
  }

  async press(selector, key) {
    await this.#focus(selector);
    await this.#driver.press(key);
  }

  #focus(selector) {
    return this.#first(selector, (element) => element.focus());
  }

  /** By script: a radio may be out of sight, behind its label. */
  check(selector) {
    return this.#first(selector, (element) => element.click());
  }

  /** By script, as nobody chooses files in a window of the system's. */
  setInputFiles(selector, files) {
    const given = [files].flat().map(({ name, buffer }) => ({ name, bytes: [...buffer] }));
    return this.#first(selector, `(input) => {
      const chosen = new DataTransfer();
      for (const { name, bytes } of ${JSON.stringify(given)}) chosen.items.add(new File([Uint8Array.from(bytes)], name));
      input.files = chosen.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }`);
  }

  /** Of the whole page, once nothing moves. */
  async screenshot({ path }) {
    await this.waitForFunction(() => document.getAnimations().length === 0);
    await writeFile(path, await this.#driver.screenshot());
  }

  async close() {
    // What it complains of to the last.
    await this.evaluate("undefined");
    await this.#driver.close();
  }
}
