// Peak resident memory of the browser's processes, from the kernel's own high-water mark (Linux only).
import { readFile, writeFile } from "node:fs/promises";

/** Starts a new peak for the GPU process, which outlives the contestants. Renderers are new for each one. */
export async function forgetPeak(browser) {
  for (const { id } of await processes(browser, "GPU")) await writeFile(`/proc/${id}/clear_refs`, "5").catch(() => {});
}

/**
 * Runs `step()`: { result, peak }, the peaks in bytes, undefined where there is no /proc. The renderer meant is the one that
 * was busy meanwhile; other pages are idle.
 */
export async function peakDuring(browser, step) {
  const before = new Map((await processes(browser, "renderer")).map(({ id, cpuTime }) => [id, cpuTime]));
  const result = await step();
  const spent = ({ id, cpuTime }) => cpuTime - (before.get(id) ?? 0);
  const [busiest] = (await processes(browser, "renderer")).sort((a, b) => spent(b) - spent(a));
  const [gpu] = await processes(browser, "GPU");
  return { result, peak: { renderer: await highWaterMark(busiest?.id), gpu: await highWaterMark(gpu?.id) } };
}

/** Resident memory of the largest page's process by now, in bytes. */
export async function residentBytes(browser) {
  const sizes = await Promise.all((await processes(browser, "renderer")).map(({ id }) => fromStatus(id, "VmRSS")));
  return Math.max(...sizes.map((bytes) => bytes ?? 0));
}

async function processes(browser, type) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter((each) => each.type === type);
}

function highWaterMark(pid) {
  return fromStatus(pid, "VmHWM");
}

async function fromStatus(pid, name) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status);
  return match ? Number(match[1]) * 1024 : undefined;
}
