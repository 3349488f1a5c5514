// The demo page as a user has it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { OUTPUT } from "./paths.mjs";

/** A tiny model, as it is, and the corpus that was prepared by this name, as the page's settings. */
export function tinySettings(server, name, fixture = "plain") {
  const [model, data] = [`fixtures/${fixture}/checkpoint/`, `data/${name}/`].map((path) => new URL(server.url(`strict/${path}`)).pathname);
  return { model, data, dtype: "f32" };
}

/** Opens the page with these settings in a storage of its own, or in a context that is there. */
export async function openDemo(place, settings, options) {
  const { page, ...rest } = await openSite(place, "index.html", settings, options);
  return { page, ...rest, ...actions(page) };
}

/**
 * The same of any page of the site. `serviceWorker`: whether the page may keep itself for use without a connection, which takes requests of its own. `folder`: where
 * the site is.
 */
export async function openSite({ server, browser }, file, settings, { context, serviceWorker = false, folder = "demo", ...options } = {}) {
  const own = context ?? (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options }));
  if (!serviceWorker) await own.addInitScript(withoutServiceWorkers);
  const { page, complaints } = await openPage(own, `${server.url(`strict/${folder}/${file}`)}#${new URLSearchParams(settings)}`);
  await watchPolicy(page, complaints);
  return { page, context: own, complaints, close: () => own.close() };
}

/** Closes what a test opened, which has to have been silent. */
export async function closeQuiet(demo) {
  await demo?.close();
  assert.deepEqual(demo?.complaints, [], "the console is not empty");
}

/** As in some private windows. */
function withoutServiceWorkers() {
  Object.defineProperty(Navigator.prototype, "serviceWorker", { value: undefined });
}

async function watchPolicy(page, complaints) {
  await page.exposeFunction("reportViolation", (directive) => complaints.push(`policy: ${directive}`));
  await page.evaluate(() => addEventListener("securitypolicyviolation", ({ violatedDirective }) => globalThis.reportViolation(violatedDirective)));
}

function actions(page) {
  return {
    loadModel: async () => {
      await page.click("#load-model");
      await page.waitForSelector("#model[data-state=ready]");
    },
    ask: async (question) => {
      await page.fill("#question", question);
      await page.press("#question", "Enter");
    },
    reranked: () => page.waitForSelector("#reranked[data-run=done]"),
    /** Paragraphs and figures of a list, as shown. */
    rows: (list) =>
      page.$$eval(`#${list}-rows > .row`, (rows) =>
        rows.map((row) => ({ id: row.dataset.paragraph, figures: [...row.querySelectorAll(".row-figures b")].map((figure) => Number(figure.textContent)) })),
      ),
    /** Opens the explanation of the first result. */
    explain: async () => {
      await page.click("#reranked-rows > .row:first-child h3 button");
      await page.waitForSelector("#reranked-rows .heat-map");
    },
    chooseWeights: (dtype) => page.check(`#weights input[value=${dtype}]`, { force: true }),
    setTheme: (theme) => setTheme(page, theme),
    screenshot: (name) => screenshot(page, name),
  };
}

export function setTheme(page, theme) {
  return page.check(`#theme input[value=${theme}]`, { force: true });
}

export function screenshot(page, name) {
  mkdirSync(OUTPUT, { recursive: true });
  return page.screenshot({ path: join(OUTPUT, `${name}.png`), fullPage: true });
}
