import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findDeviceChoice, rememberDeviceChoice } from "../../src/storage/device-choices.js";
import { findGpuFault, rememberGpuFault } from "../../src/storage/gpu-faults.js";
import { findGpuKernel, rememberGpuKernel } from "../../src/storage/gpu-kernels.js";
import { findProductForm, rememberProductForm } from "../../src/storage/product-form.js";
import { type FakeCache, stubStorage } from "../support/storage.js";

const ADAPTER = { vendor: "maker", architecture: "gen-1", device: "7", description: "" } as GPUAdapterInfo;

const NOTES: [string, () => Promise<void>, () => Promise<unknown>][] = [
  ["a device choice", () => rememberDeviceChoice(ADAPTER, "v1-a", { candidates: [{ device: "cpu", workers: 2, tokensPerSecond: 900 }] }), () => findDeviceChoice(ADAPTER, "v1-a")],
  ["a kernel", () => rememberGpuKernel(ADAPTER, "q8", "64x64"), () => findGpuKernel(ADAPTER, "q8")],
  ["a fault", () => rememberGpuFault(ADAPTER, "wrong numbers"), () => findGpuFault(ADAPTER)],
  ["a product's form", () => rememberProductForm("pairs"), () => findProductForm()],
];

beforeEach(() => {
  vi.stubGlobal("navigator", { userAgent: "Chrome/150.0" });
  stubStorage();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** JSON that has one value of a note replaced by something else, at whatever depth. */
function damaged(note: unknown): unknown[] {
  if (typeof note !== "object" || note === null) return [null, {}, []];
  const fields = Object.entries(note).flatMap(([key, value]) => damaged(value).map((other) => ({ ...note, [key]: other })));
  return [null, {}, [], "text", 7, ...fields.map((fields) => (Array.isArray(note) ? Object.values(fields) : fields))];
}

test.each(NOTES)("%s that is damaged is none", async (_, remember, find) => {
  await remember();
  expect(await find()).toBeDefined();
  const cache = (await caches.open("tabrank-hardware-v1")) as unknown as FakeCache;
  const [address, { bytes }] = [...cache.entries][0]!;
  const text = new TextDecoder().decode(bytes);
  const texts = ["", text.slice(1), text.slice(0, -1), "\0".repeat(9), ...damaged(JSON.parse(text)).map((note) => JSON.stringify(note))];
  for (const text of texts) {
    await cache.put(address, new Response(text));
    expect([text, await find()]).toEqual([text, undefined]);
  }
});

test.each(NOTES)("%s is not waited for where storage gives no answer", async (_, remember, find) => {
  vi.useFakeTimers();
  vi.stubGlobal("caches", { open: () => new Promise(() => {}) });
  const both = Promise.all([remember(), find()]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await both).toEqual([undefined, undefined]);
});
