/**
 * What was found out about a GPU, or without an adapter about the processor, so that not every visit has to find it out anew (Cache Storage). A note is about
 * one version of browser and package, and is forgotten after some days: drivers are updated too.
 */

import { within } from "../patience.js";
import { VERSION } from "../version.js";

const CACHE = "tabrank-hardware-v1";

/** Nothing is fetched from it: Cache Storage has addresses for keys. */
const ADDRESS = "https://tabrank.invalid/hardware";

const DAY = 24 * 60 * 60 * 1000;

/** Milliseconds that storage is waited for: a worker may be about to end, and a load goes on without. */
const PATIENCE = 1_000;

/** What tells an adapter from others. */
export type AdapterName = Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description">;

export interface Note {
  /** Milliseconds since 1970. */
  at: number;
}

/** A note on this GPU that is no older than so many days; undefined where nothing is known. `isWhole`: whether it says what it should: it may be damaged. */
export async function findNote<T>(about: string, info: AdapterName | undefined, days: number, isWhole: (note: Partial<T>) => boolean): Promise<(T & Note) | undefined> {
  try {
    const note = await within(PATIENCE, read<T>(addressOf(about, info)), () => undefined);
    // Clocks are set back at times.
    return note && Math.abs(Date.now() - note.at) < days * DAY && isWhole(note) ? note : undefined;
  } catch {
    return undefined;
  }
}

/** Where nothing can be kept the next visit finds out for itself. */
export async function keepNote(about: string, info: AdapterName | undefined, note: object): Promise<void> {
  try {
    await within(PATIENCE, put(addressOf(about, info), { ...note, at: Date.now() }), () => undefined);
  } catch {
    // As above.
  }
}

async function read<T>(address: string): Promise<(T & Note) | undefined> {
  const cache = await caches.open(CACHE);
  const response = await cache.match(address);
  return response?.json() as Promise<(T & Note) | undefined>;
}

async function put(address: string, note: Note): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.put(address, Response.json(note));
}

function addressOf(about: string, { vendor, architecture, device, description }: Partial<AdapterName> = {}): string {
  const adapter = [vendor, architecture, device, description].map((part) => part ?? "").join("/");
  return `${ADDRESS}/${about}?${new URLSearchParams({ adapter, browser: browser(), version: VERSION })}`;
}

/** Name and major version. */
function browser(): string {
  return /(?:Firefox|Chrome|Version)\/\d+/.exec(navigator.userAgent)?.[0] ?? "";
}
