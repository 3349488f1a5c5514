import { afterEach, describe, expect, test, vi } from "vitest";
import { gpuUnavailable, watchDevices } from "../../src/worker/gpu.js";

afterEach(() => vi.unstubAllGlobals());

const adapter = (more: object = {}, features = ["timestamp-query"]) => ({ features: new Set(features), info: { isFallbackAdapter: false }, ...more });
const gpu = (found: unknown) => ({ gpu: { requestAdapter: async () => (found instanceof Error ? Promise.reject(found) : found) } });

describe("the reason against WebGPU", () => {
  test.each([
    ["no navigator.gpu", {}, "no WebGPU"],
    ["no adapter", gpu(null), "offers no WebGPU adapter"],
    ["a refused adapter", gpu(new Error("blocked")), "refused a WebGPU adapter (Error: blocked)"],
    ["no timestamps", gpu(adapter({}, [])), "timestamp-query"],
  ])("%s counts in auto and when asked for by name", async (_, navigator, reason) => {
    vi.stubGlobal("navigator", navigator);
    expect(await gpuUnavailable("auto")).toContain(reason);
    expect(await gpuUnavailable("webgpu")).toContain(reason);
  });

  test.each([
    ["by its info", adapter({ info: { isFallbackAdapter: true } })],
    ["by the adapter's older flag", adapter({ info: {}, isFallbackAdapter: true })],
    ["by the older flag where there is no info", adapter({ info: undefined, isFallbackAdapter: true })],
  ])("a software adapter, known %s, counts in auto only", async (_, found) => {
    vi.stubGlobal("navigator", gpu(found));
    expect(await gpuUnavailable("auto")).toContain("software");
    expect(await gpuUnavailable("webgpu")).toBeUndefined();
  });

  test("is none with a real adapter, also where it says nothing of itself", async () => {
    for (const found of [adapter(), adapter({ info: undefined })]) {
      vi.stubGlobal("navigator", gpu(found));
      expect(await gpuUnavailable("auto")).toBeUndefined();
    }
  });
});

test("devices that the engine makes are watched for loss and for errors", async () => {
  const failures: [string, boolean][] = [];
  let lose!: (info: { reason: string; message: string }) => void;
  const device = Object.assign(new EventTarget(), { lost: new Promise((resolve) => (lose = resolve)) });
  const FakeAdapter = class {
    async requestDevice(descriptor: object) {
      return Object.assign(device, { descriptor });
    }
  };
  vi.stubGlobal("GPUAdapter", FakeAdapter);
  watchDevices((message, discarded) => failures.push([message, discarded]));
  const descriptor = { label: "engine" };
  expect(await new FakeAdapter().requestDevice(descriptor)).toMatchObject({ descriptor });
  device.dispatchEvent(Object.assign(new Event("uncapturederror"), { error: { message: "bad shader" } }));
  lose({ reason: "destroyed", message: "gone" });
  await device.lost;
  await Promise.resolve();
  expect(failures).toEqual([
    ["WebGPU reported an error: bad shader", false],
    ["the WebGPU device was lost (destroyed): gone", true],
  ]);
});
