// What the figures were measured on.
import os from "node:os";
import { withPage } from "./browser.mjs";
import { peaks } from "./memory.mjs";

export async function machine(browser, server) {
  const [load] = os.loadavg();
  const page = await withPage(browser, server.origin, async (page) => ({
    ...(await page.evaluate(describe)),
    blankPage: await peaks(browser),
  }));
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? "unknown CPU",
    cores: os.cpus().length,
    memory: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
    loadAverage: load,
    browser: `Chromium ${browser.version()}`,
    ...page,
  };
}

async function describe() {
  const adapter = await navigator.gpu?.requestAdapter();
  const { vendor, architecture, description } = adapter?.info ?? {};
  return {
    adapter: adapter ? [vendor, architecture, description].filter(Boolean).join(" ") : "none",
    crossOriginIsolated,
  };
}
