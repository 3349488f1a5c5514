// The soak's page, and what it and its worker hold.
import { launch, openPage } from "../../tests/web/lib/browser.mjs";
import { needPackage } from "../../tests/web/lib/paths.mjs";
import { serve } from "../../tests/web/lib/server.mjs";

/** A look at the memory sweeps up first, and does so at once. */
const EAGER = ["--js-flags=--expose-gc", "--enable-blink-features=ForceEagerMeasureMemory"];

export const MB = 1e6;

export function inMB(bytes) {
  return `${(bytes / MB).toFixed(1)} MB`;
}

/** Opens the page, isolated from other origins: only such a one may ask for its memory. */
export async function openSoak({ webgpu }) {
  needPackage();
  const server = await serve();
  const browser = await launch({ webgpu, more: EAGER });
  const { page, complaints } = await openPage(await browser.newContext(), server.url("isolated/soak/soak.html"));
  await page.waitForFunction(() => globalThis.soak !== undefined);
  const call = (name, ...parameters) => page.evaluate(([name, parameters]) => globalThis.soak[name](...parameters), [name, parameters]);
  return {
    call,
    complaints,
    workers: () => page.workers().length,
    /** Bytes of JavaScript in the page and its worker, wasm memory included. */
    heap: () => call("memory"),
    held: () => page.workers()[0].evaluate(() => self.held()),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
