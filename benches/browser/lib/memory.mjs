// Peak resident memory of the browser's processes, from the kernel's own high-water mark (Linux only).
import { readFile, writeFile } from "node:fs/promises";

/** Starts a new peak for the GPU process, which outlives the contestants. Renderers are new for each one. */
export async function forgetPeak(browser) {
  for (const { id } of await processes(browser, "GPU")) await writeFile(`/proc/${id}/clear_refs`, "5").catch(() => {});
}

/** Peaks in bytes; undefined where there is no /proc. A spare renderer is smaller than the page's, so the largest is meant. */
export async function peaks(browser) {
  return { renderer: await largest(browser, "renderer"), gpu: await largest(browser, "GPU") };
}

async function largest(browser, type) {
  const found = await Promise.all((await processes(browser, type)).map(({ id }) => highWaterMark(id)));
  const known = found.filter((bytes) => bytes !== undefined);
  return known.length ? Math.max(...known) : undefined;
}

async function processes(browser, type) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter((each) => each.type === type);
}

async function highWaterMark(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  return match ? Number(match[1]) * 1024 : undefined;
}
