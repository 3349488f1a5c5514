// The built package in a page of its own, as pages/package.js gives it.
import { ENGINE, launch, openPage } from "./browser.mjs";
import { serve } from "./server.mjs";

/** One server and one browser for a test file. */
export async function openBrowser({ engine = ENGINE, ...options }) {
  const server = await serve({ isHeard: engine === "webkit" });
  const browser = await launch({ engine, ...options, proxy: server.port });
  return {
    server,
    browser,
    newPackagePage: (place = {}) => newPackagePage(server, browser, place),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** A page with a storage of its own; `harness(name, ...)` calls a function of pages/package.js. */
async function newPackagePage(server, browser, { policy = "open", host, context } = {}) {
  const own = context ?? (await browser.newContext());
  const { page, complaints } = await openPage(own, server.url(`${policy}/pages/package.html`, host));
  await page.waitForFunction(() => globalThis.harness !== undefined);
  const url = (path) => server.url(`${policy}/${path}`, host);
  return {
    page,
    context: own,
    complaints,
    url,
    harness: (name, ...parameters) => page.evaluate(([name, parameters]) => globalThis.harness[name](...parameters), [name, parameters]),
    faultyWorker: (query) => `${url("pages/fault-worker.js")}?${new URLSearchParams(query)}`,
    close: () => (context ? page.close() : own.close()),
  };
}
