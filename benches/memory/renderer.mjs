// What a page and its workers hold at the most: in the process that a browser gives them (Linux: the kernel's own high-water mark), and of wasm memory.
import { readFileSync, writeFileSync } from "node:fs";

/** Bytes of the largest page of a browser so far. Taken before the page is left. */
export async function residentPeak(browser) {
  return Math.max(...(await renderers(browser)).map(highWaterMark));
}

/** From now on peaks are those of what follows. */
export async function forgetPeaks(browser) {
  for (const id of await renderers(browser)) writeFileSync(`/proc/${id}/clear_refs`, "5");
}

async function renderers({ browser }) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/** Listens in a page for the wasm memory that workers tell, with pages/wasm-memory.js; what comes out asks for the largest so far. */
export async function listenForWasm(page) {
  await page.evaluate(() => {
    globalThis.peak = 0;
    new BroadcastChannel("wasm-memory").onmessage = ({ data }) => (globalThis.peak = Math.max(globalThis.peak, data));
  });
  return () => page.evaluate(() => globalThis.peak);
}

function highWaterMark(id) {
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0);
}
