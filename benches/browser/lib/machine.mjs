// What the figures were measured on.
import os from "node:os";
import { openPage } from "./browser.mjs";
import { peakDuring } from "./memory.mjs";

export async function machine(browser, server) {
  const [load] = os.loadavg();
  const { page, close } = await openPage(browser, server.origin);
  const { result: facts, peak: blankPage } = await peakDuring(browser, () => page.evaluate(describe));
  await close();
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? "unknown CPU",
    cores: os.cpus().length,
    memory: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
    loadAverage: load,
    browser: `Chromium ${browser.version()}`,
    ...facts,
    blankPage,
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
