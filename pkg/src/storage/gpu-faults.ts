/**
 * GPUs that computed wrong numbers or gave no answer, so that not every visit has to find out anew (Cache Storage). A fault is that of an adapter in one version
 * of browser and package, and is forgotten after a week: drivers are updated too.
 */

import { within } from "../patience.js";
import { VERSION } from "../version.js";

const CACHE = "tabrank-gpu-v1";

/** Nothing is fetched from it: Cache Storage has addresses for keys. */
const ADDRESS = "https://tabrank.invalid/gpu";

const DAY = 24 * 60 * 60 * 1000;
const DAYS = 7;

/** Milliseconds that storage is waited for: a worker may be about to end. */
const PATIENCE = 1_000;

interface Fault {
  reason: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** What was found wrong with this GPU within the last week; undefined where nothing is known. */
export async function findGpuFault(info: GPUAdapterInfo | undefined): Promise<string | undefined> {
  try {
    const cache = await caches.open(CACHE);
    const response = await cache.match(addressOf(info));
    const fault = (await response?.json()) as Fault | undefined;
    // Clocks are set back at times.
    const isRecent = fault && Math.abs(Date.now() - fault.at) < DAYS * DAY;
    return isRecent ? `${fault.reason} (found on ${dayOf(fault.at)}, and tried again after ${DAYS} days)` : undefined;
  } catch {
    return undefined;
  }
}

/** Where nothing can be kept the next visit finds out for itself. */
export async function rememberGpuFault(info: GPUAdapterInfo | undefined, reason: string): Promise<void> {
  try {
    await within(PATIENCE, put(addressOf(info), { reason, at: Date.now() }), () => undefined);
  } catch {
    // As above.
  }
}

async function put(address: string, fault: Fault): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.put(address, Response.json(fault));
}

function addressOf({ vendor, architecture, device, description }: Partial<GPUAdapterInfo> = {}): string {
  const adapter = [vendor, architecture, device, description].map((part) => part ?? "").join("/");
  return `${ADDRESS}?${new URLSearchParams({ adapter, browser: browser(), version: VERSION })}`;
}

/** Name and major version. */
function browser(): string {
  return /(?:Firefox|Chrome|Version)\/\d+/.exec(navigator.userAgent)?.[0] ?? "";
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
