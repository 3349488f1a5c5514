// Firefox, over WebDriver BiDi.
import puppeteer from "puppeteer-core";
import { DrivenPage } from "./driven-page.mjs";
import { installed } from "./programs.mjs";

export async function launchFirefox() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: installed("FIREFOX", ["/usr/bin/firefox-esr", "/usr/bin/firefox"], "firefox"),
    extraPrefsFirefox: { "network.dns.localDomains": "insecure.example" },
  });
  const version = (await browser.version()).replace("firefox/", "");
  return { version: () => version, newContext: (options) => newContext(browser, options), close: () => browser.close() };
}

/** Tests do not take all of Playwright's options. */
async function newContext(browser, { viewport } = {}) {
  const context = await browser.createBrowserContext();
  const [tabs, scripts] = [[], []];
  return {
    newPage: () => newPage(context, viewport, tabs, scripts),
    addInitScript: async (script) => void scripts.push(script),
    setOffline: (isOffline) => Promise.all(tabs.map((tab) => tab.setOfflineMode(isOffline))),
    close: () => context.close(),
  };
}

async function newPage(context, viewport, tabs, scripts) {
  const tab = await context.newPage();
  for (const script of scripts) await tab.evaluateOnNewDocument(script);
  tabs.push(tab);
  if (viewport) await resize(tab, viewport);
  const page = new DrivenPage({
    goto: (address) => tab.goto(address),
    reload: () => tab.reload(),
    run: (expression) => tab.evaluate(expression),
    expose: (name, call) => tab.exposeFunction(name, call),
    click: (x, y) => tab.mouse.click(x, y),
    type: (text) => tab.keyboard.type(text),
    press: (key) => tab.keyboard.press(key),
    screenshot: () => tab.screenshot({ fullPage: true }),
    close: () => tab.close(),
  });
  for (const event of ["console", "pageerror", "dialog"]) tab.on(event, (about) => page.emit(event, about));
  return page;
}

/** The command for a screen's turn, which goes along with that for its size, is newer than some Firefoxes. */
async function resize(tab, viewport) {
  await tab.setViewport(viewport).catch((error) => {
    if (!/unknown command emulation\.setScreenOrientationOverride/.test(error.message)) throw error;
  });
  await tab.waitForFunction(({ width, height }) => innerWidth === width && innerHeight === height, {}, viewport);
}
