import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { rememberGpuFault } from "../../src/storage/gpu-faults.js";
import { findGpu, noteGpuKernel, tryKernels, wantedKernel, watchGpu } from "../../src/worker/gpu.js";
import { stubStorage } from "../support/storage.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const LIMITS = { maxStorageBufferBindingSize: 128 << 20, maxBufferSize: 256 << 20 };
const adapter = (more: object = {}, features = ["timestamp-query"]) => ({ features: new Set(features), limits: LIMITS, info: { isFallbackAdapter: false }, ...more });
const gpu = (found: unknown) => ({ gpu: { requestAdapter: async () => (found instanceof Error ? Promise.reject(found) : found) } });

describe("the reason against WebGPU", () => {
  test.each([
    ["no navigator.gpu", {}, "no WebGPU"],
    ["no adapter", gpu(null), "offers no WebGPU adapter"],
    ["a refused adapter", gpu(new Error("blocked")), "refused a WebGPU adapter (Error: blocked)"],
    ["no timestamps", gpu(adapter({}, [])), "timestamp-query"],
  ])("%s counts in auto and when asked for by name", async (_, navigator, reason) => {
    vi.stubGlobal("navigator", navigator);
    expect((await findGpu("auto")).unavailable).toContain(reason);
    expect((await findGpu("webgpu")).unavailable).toContain(reason);
  });

  test.each([
    ["by its info", adapter({ info: { isFallbackAdapter: true } })],
    ["by the adapter's older flag", adapter({ info: {}, isFallbackAdapter: true })],
    ["by the older flag where there is no info", adapter({ info: undefined, isFallbackAdapter: true })],
  ])("a software adapter, known %s, counts in auto only", async (_, found) => {
    vi.stubGlobal("navigator", gpu(found));
    expect((await findGpu("auto")).unavailable).toContain("software");
    expect((await findGpu("webgpu")).unavailable).toBeUndefined();
  });

  test("is none with a real adapter, also where it says nothing of itself", async () => {
    for (const found of [adapter(), adapter({ info: undefined })]) {
      vi.stubGlobal("navigator", gpu(found));
      expect((await findGpu("auto")).unavailable).toBeUndefined();
    }
  });
});

test("the smaller limit on a buffer counts", async () => {
  vi.stubGlobal("navigator", gpu(adapter()));
  expect((await findGpu("auto")).bufferLimit).toBe(128 << 20);
  vi.stubGlobal("navigator", gpu(adapter({ limits: { ...LIMITS, maxBufferSize: 64 << 20 } })));
  expect((await findGpu("webgpu")).bufferLimit).toBe(64 << 20);
});

describe("a fault that was found before", () => {
  const INFO = { vendor: "maker", architecture: "gen-1", device: "7", description: "" };
  const DAY = 24 * 60 * 60 * 1000;

  const visit = (info: object, userAgent = "Mozilla/5.0 Chrome/150.0.1.2 Safari/537.36") => vi.stubGlobal("navigator", { ...gpu(adapter({ info: { isFallbackAdapter: false, ...info } })), userAgent });

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 26) });
    stubStorage();
    visit(INFO);
    await rememberGpuFault(INFO as GPUAdapterInfo, "its embeddings differ");
  });

  test("counts in auto for a week, and never where WebGPU is asked for by name", async () => {
    expect((await findGpu("auto")).unavailable).toBe("its embeddings differ (found on 2026-11-26, and tried again after 7 days)");
    expect((await findGpu("webgpu")).unavailable).toBeUndefined();
    vi.setSystemTime(Date.now() + 7 * DAY - 1);
    expect((await findGpu("auto")).unavailable).toContain("its embeddings differ");
    vi.setSystemTime(Date.now() + 1);
    expect((await findGpu("auto")).unavailable).toBeUndefined();
  });

  test.each([
    ["another GPU", { ...INFO, architecture: "gen-2" }, undefined],
    ["another version of the browser", INFO, "Mozilla/5.0 Chrome/151.0.1.2 Safari/537.36"],
    ["another browser", INFO, "Mozilla/5.0 Gecko/20100101 Firefox/150.0"],
  ])("is not that of %s", async (_, info, userAgent) => {
    visit(info, userAgent);
    expect((await findGpu("auto")).unavailable).toBeUndefined();
  });

  test("of the same browser in a smaller version still counts", async () => {
    visit(INFO, "Mozilla/5.0 Chrome/150.9.9.9 Safari/537.36");
    expect((await findGpu("auto")).unavailable).toContain("its embeddings differ");
  });

  test("is not known where nothing can be kept", async () => {
    vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("denied", "SecurityError")) });
    await rememberGpuFault(INFO as GPUAdapterInfo, "its embeddings differ");
    expect((await findGpu("auto")).unavailable).toBeUndefined();
  });
});

describe("the kernel that multiplies", () => {
  const INFO = { vendor: "maker", architecture: "gen-1", device: "7", description: "" };
  const DAY = 24 * 60 * 60 * 1000;
  const visit = async (info: object) => {
    vi.stubGlobal("navigator", { ...gpu(adapter({ info })), userAgent: "Chrome/150.0" });
    await findGpu("webgpu");
  };

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 26) });
    stubStorage();
    await visit(INFO);
  });

  test("is to be found out, and is then known for this GPU and type of weights for a month", async () => {
    expect(await wantedKernel("q8")).toBe("fastest");
    await noteGpuKernel("q8", "64x64-f16");
    expect(await wantedKernel("q8")).toBe("64x64-f16");
    expect(await wantedKernel("f32")).toBe("fastest");
    await visit({ ...INFO, architecture: "gen-2" });
    expect(await wantedKernel("q8")).toBe("fastest");
    await visit(INFO);
    vi.setSystemTime(Date.now() + 30 * DAY);
    expect(await wantedKernel("q8")).toBe("fastest");
  });

  test("is no fault: what is found wrong with a GPU is another matter", async () => {
    await noteGpuKernel("f32", "64x64");
    expect((await findGpu("auto")).unavailable).toBeUndefined();
  });

  test("is not looked for on an adapter in software", async () => {
    await visit({ ...INFO, isFallbackAdapter: true });
    expect(await wantedKernel("q8")).toBeUndefined();
  });
});

describe("what the engine asks of WebGPU", () => {
  /** Answers to the next questions; what is not there is never answered. */
  let answers: Record<string, unknown>;
  let failures: [string, boolean][];
  let silences: string[];
  const answer = (name: string) => (name in answers ? Promise.resolve(answers[name]) : new Promise(() => {}));

  class FakeGpu {
    requestAdapter() {
      return answer("requestAdapter");
    }
  }
  class FakeAdapter {
    info = INFO;
    requestDevice(descriptor: object) {
      return answer("requestDevice").then((device) => Object.assign(device as object, { descriptor }));
    }
  }
  class FakeDevice {
    popErrorScope() {
      return answer("popErrorScope");
    }
  }
  class FakeBuffer {
    mapAsync(...range: number[]) {
      return answer("mapAsync").then(() => range);
    }
  }
  class FakeQueue {
    onSubmittedWorkDone() {
      return answer("onSubmittedWorkDone");
    }
  }

  const made = () => Object.assign(new EventTarget(), { lost: new Promise<object>(() => {}), destroy: vi.fn() });

  const INFO = { vendor: "maker", isFallbackAdapter: false };
  const visit = () => vi.stubGlobal("navigator", { ...gpu(adapter({ info: INFO })), userAgent: "" });

  beforeEach(async () => {
    vi.useFakeTimers();
    stubStorage();
    visit();
    expect((await findGpu("auto")).unavailable).toBeUndefined();
    // Methods are replaced on the prototypes, so each test has classes of its own.
    for (const [name, Fake] of Object.entries({ GPU: FakeGpu, GPUAdapter: FakeAdapter, GPUDevice: FakeDevice, GPUBuffer: FakeBuffer, GPUQueue: FakeQueue })) vi.stubGlobal(name, class extends Fake {});
    answers = {};
    failures = [];
    silences = [];
    watchGpu({ failed: (message, discarded) => failures.push([message, discarded]), silent: (message) => silences.push(message) });
  });

  async function device(isSoftware = false) {
    answers.requestDevice = made();
    const from = Object.assign(new GPUAdapter(), { info: { vendor: "maker", isFallbackAdapter: isSoftware } as GPUAdapterInfo });
    return (await from.requestDevice({ label: "engine" })) as unknown as ReturnType<typeof made>;
  }

  test("is passed on: devices are watched for loss and for errors", async () => {
    let lose!: (info: { reason: string; message: string }) => void;
    answers.requestDevice = Object.assign(made(), { lost: new Promise((resolve) => (lose = resolve)) });
    const found = (await new GPUAdapter().requestDevice({ label: "engine" })) as unknown as { lost: Promise<object> } & EventTarget;
    expect(found).toMatchObject({ descriptor: { label: "engine" } });
    found.dispatchEvent(Object.assign(new Event("uncapturederror"), { error: { message: "bad shader" } }));
    lose({ reason: "destroyed", message: "gone" });
    await found.lost;
    await Promise.resolve();
    expect(failures).toEqual([
      ["WebGPU reported an error: bad shader", false],
      ["the WebGPU device was lost (destroyed): gone", true],
    ]);
  });

  test("may be refused while kernels are tried: the kernel is passed over then, not the device", async () => {
    const error = () => Object.assign(new Event("uncapturederror"), { error: { message: "bad shader" } });
    const found = await device();
    const engine = vi.fn();
    found.addEventListener("uncapturederror", engine);
    tryKernels(true);
    found.dispatchEvent(error());
    expect([failures, engine.mock.calls]).toEqual([[], []]);
    tryKernels(false);
    found.dispatchEvent(error());
    expect([failures.length, engine.mock.calls.length]).toEqual([1, 1]);
  });

  test("and is answered leaves no timer behind", async () => {
    await device();
    Object.assign(answers, { mapAsync: undefined, onSubmittedWorkDone: undefined, popErrorScope: null });
    expect(await new GPUBuffer().mapAsync(1, 2, 3)).toEqual([1, 2, 3]);
    await new GPUQueue().onSubmittedWorkDone();
    await new GPUDevice().popErrorScope();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("and is never answered: an adapter is given up, and the load is told why", async () => {
    vi.stubGlobal("navigator", { gpu: new GPU(), userAgent: "" });
    const found = findGpu("auto");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await found).toEqual({ unavailable: "the browser gave no WebGPU adapter within 10 seconds" });
  });

  test("and is never answered: a device is given up, is known for it, and is destroyed if it comes after all", async () => {
    const late = made();
    let come!: (device: object) => void;
    answers.requestDevice = new Promise((resolve) => (come = resolve));
    const request = new GPUAdapter().requestDevice();
    request.catch(() => {});
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(request).rejects.toMatchObject({ code: "TIMEOUT", message: "the browser gave no WebGPU device within 10 seconds" });
    expect((await findGpu("auto")).unavailable).toContain("gave no WebGPU device");
    come(late);
    await vi.advanceTimersByTimeAsync(0);
    expect(late.destroy).toHaveBeenCalledOnce();
  });

  const WORK: [string, () => Promise<unknown>, string][] = [
    ["a read-back", () => new GPUBuffer().mapAsync(1), "the GPU gave no answer for 30 seconds, at a read-back"],
    ["the end of work", () => new GPUQueue().onSubmittedWorkDone(), "the GPU gave no answer for 30 seconds, at the end of its work"],
    ["an error scope", () => new GPUDevice().popErrorScope(), "the GPU gave no answer for 30 seconds, at an error scope"],
  ];

  test.each(WORK)("and is never answered: %s is told after half a minute, and the GPU is known for it", async (_, ask, message) => {
    await device();
    void ask();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(silences).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(silences).toEqual([message]);
    expect((await findGpu("auto")).unavailable).toContain(message);
  });

  test("and is never answered: storage that does not answer either holds nothing up", async () => {
    vi.stubGlobal("caches", { open: () => new Promise(() => {}) });
    await device();
    void new GPUBuffer().mapAsync(1);
    await vi.advanceTimersByTimeAsync(31_000);
    expect(silences).toHaveLength(1);
  });

  test("in software may take twenty times as long", async () => {
    await device(true);
    void new GPUBuffer().mapAsync(1);
    await vi.advanceTimersByTimeAsync(599_000);
    expect(silences).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(silences).toHaveLength(1);
  });
});
