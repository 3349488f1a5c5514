import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DeviceChange, type LoadOptions, Reranker } from "../../src/index.js";
import type { CallMessage, LoadRequest } from "../../src/protocol.js";
import { INFO } from "../support/engine.js";
import { stubStorage } from "../support/storage.js";
import { ScriptedWorker } from "../support/workers.js";

const ADAPTER = { vendor: "a", architecture: "b", device: "c", description: "d" };

const LOST = { code: "DEVICE_LOST", message: "the WebGPU device was lost (unknown)" } as const;

let changes: DeviceChange[];
let warnings: string[];

beforeEach(() => {
  vi.stubGlobal("location", { href: "https://host/app/" });
  vi.stubGlobal("navigator", { userAgent: "Chrome/156" });
  vi.stubGlobal("Worker", ScriptedWorker);
  stubStorage();
  ScriptedWorker.all = [];
  changes = [];
  warnings = [];
});
afterEach(() => vi.unstubAllGlobals());

const settled = () => new Promise((resolve) => setTimeout(resolve));
const explain = (reranker: Reranker) => reranker.explain("q", "d").then(({ score }) => score);
const worker = (place: number) => ScriptedWorker.all[place]!;
const loadOf = (of: ScriptedWorker) => (of.calls[0] as { request: LoadRequest }).request;
const measuresOf = (of: ScriptedWorker) => of.calls.filter(({ name }) => name === "measure").map(({ id }) => id);
const explainsOf = (of: ScriptedWorker) => of.calls.filter(({ name }: CallMessage) => name === "explain").map(({ id }) => id);
const live = () => ScriptedWorker.all.filter(({ terminated }) => !terminated);

/** A batch took its worker so many milliseconds. */
async function took(place: number, ms: number): Promise<void> {
  worker(place).say({ type: "answer", id: measuresOf(worker(place)).at(-1)!, name: "measure", answer: { tokens: 500, ms } });
  await settled();
}

/** Loaded on the CPU, where there is a GPU to try. */
async function load(options: LoadOptions = {}): Promise<Reranker> {
  const loading = Reranker.load("/model", {
    wasmUrl: "/cpu.wasm",
    gpuWasmUrl: "/gpu.wasm",
    workers: 1,
    onDeviceChange: (change) => changes.push(change),
    onWarning: ({ code }) => warnings.push(code),
    ...options,
  });
  await ScriptedWorker.started();
  worker(0).say({ type: "started" }, { type: "gpu", adapter: ADAPTER });
  worker(0).load("cpu");
  const reranker = await loading;
  await settled();
  return reranker;
}

/** With a GPU that is right. */
async function tried(): Promise<Reranker> {
  const reranker = await load();
  worker(1).say({ type: "started" }, { type: "trying-webgpu" });
  worker(1).load("webgpu");
  await settled();
  return reranker;
}

/** On the GPU. */
async function moved(): Promise<Reranker> {
  const reranker = await tried();
  await took(0, 100);
  await took(1, 50);
  return reranker;
}

describe("in auto", () => {
  test("the CPU answers while a worker with both devices tries the GPU, which is asked for no sooner", async () => {
    const loading = Reranker.load("/model", { wasmUrl: "/cpu.wasm", gpuWasmUrl: "/gpu.wasm" });
    await ScriptedWorker.started();
    expect(loadOf(worker(0))).toMatchObject({ wasm: "https://host/cpu.wasm", engine: "cpu", device: "auto" });
    worker(0).say({ type: "started" }, { type: "gpu", adapter: ADAPTER });
    await settled();
    expect(ScriptedWorker.all).toHaveLength(1);
    worker(0).load("cpu");
    const reranker = await loading;
    await settled();
    expect(loadOf(worker(1))).toMatchObject({ wasm: "https://host/gpu.wasm", engine: "both", device: "auto" });
    const score = explain(reranker);
    worker(0).answerExplain(1, 5);
    expect([await score, reranker.device]).toEqual([5, "cpu"]);
  });

  test("nothing is fetched for a GPU that is not there, and the warning says why", async () => {
    const loading = Reranker.load("/model", { wasmUrl: "/cpu.wasm" });
    await ScriptedWorker.started();
    worker(0).say({ type: "started" }, { type: "gpu", unavailable: "the only WebGPU adapter is a software one" });
    worker(0).load("cpu");
    const reranker = await loading;
    await settled();
    expect(ScriptedWorker.all).toHaveLength(1);
    expect(reranker.warnings).toEqual([{ code: "WEBGPU_FALLBACK", message: expect.stringContaining("software") }]);
  });

  test("a GPU that is found good has the next call, and the CPU's worker ends", async () => {
    const reranker = await moved();
    expect(changes).toEqual([{ device: "webgpu", previous: "cpu" }]);
    const score = explain(reranker);
    worker(1).answerExplain(explainsOf(worker(1))[0]!, 7);
    expect([await score, reranker.device]).toEqual([7, "webgpu"]);
    expect(live()).toEqual([worker(1)]);
  });

  test("the device does not change within a call", async () => {
    const reranker = await tried();
    await took(0, 100);
    const score = explain(reranker);
    await took(1, 50);
    expect([changes, reranker.device, worker(0).terminated]).toEqual([[], "cpu", false]);
    worker(0).answerExplain(explainsOf(worker(0))[0]!, 5);
    expect(await score).toBe(5);
    await settled();
    expect([changes.length, reranker.device]).toEqual([1, "webgpu"]);
  });

  test.each([
    ["slower", (gpu: ScriptedWorker) => gpu.say({ type: "started" }, { type: "answer", id: 0, name: "load", answer: { device: "cpu", simd: "simd128", model: INFO, warnings: [{ code: "WEBGPU_FALLBACK", message: "slower" }] } })],
    ["lost while it is tried", (gpu: ScriptedWorker) => gpu.say({ type: "started" }, { type: "trying-webgpu" }, { type: "fatal", error: LOST })],
    ["without a module", (gpu: ScriptedWorker) => gpu.say({ type: "started" }, { type: "failed", id: 0, error: { code: "HTTP_STATUS", message: "404" } })],
  ])("a GPU that is %s is told of once, and the CPU stays", async (_, says) => {
    const reranker = await load();
    says(worker(1));
    await settled();
    expect([warnings, changes, reranker.device, live()]).toEqual([["WEBGPU_FALLBACK"], [], "cpu", [worker(0)]]);
  });

  test("a GPU that fails gives what it was at to the CPU, whose worker starts anew", async () => {
    const reranker = await moved();
    const score = explain(reranker);
    worker(1).say({ type: "fatal", error: { code: "TIMEOUT", message: "no answer" } });
    await settled();
    expect([changes.at(-1), warnings, reranker.device]).toEqual([{ device: "cpu", previous: "webgpu" }, ["WEBGPU_FALLBACK"], "cpu"]);
    worker(2).load("cpu");
    expect(loadOf(worker(2))).toMatchObject({ engine: "cpu" });
    worker(2).answerExplain(explainsOf(worker(2))[0]!, 9);
    expect(await score).toBe(9);
  });

  test("what decides are tokens a second of a warm batch, told by `choice`", async () => {
    const reranker = await tried();
    expect(reranker.choice).toEqual({ device: "cpu", workers: 1, candidates: [], why: "first" });
    await took(0, 100);
    await took(1, 250);
    const candidates = [{ device: "cpu", workers: 1, tokensPerSecond: 5000 }, { device: "webgpu", workers: 1, tokensPerSecond: 2000 }];
    expect(reranker.choice).toEqual({ device: "cpu", workers: 1, candidates, why: "measured", measuredAt: expect.any(Date) });
    expect(reranker.warnings).toEqual([{ code: "WEBGPU_FALLBACK", message: expect.stringMatching(/slower.*5000 tokens.*CPU \(workers: 1\), 2000 tokens.*WebGPU/) }]);
    expect([changes, live()]).toEqual([[], [worker(0)]]);
  });

  test("a call that comes ends a measurement, which begins anew behind it", async () => {
    const reranker = await tried();
    const [first] = measuresOf(worker(0));
    const score = explain(reranker);
    await settled();
    expect(worker(0).received).toContainEqual({ type: "cancel", id: first });
    expect(measuresOf(worker(0))).toHaveLength(1);
    worker(0).answerExplain(explainsOf(worker(0))[0]!, 5);
    expect(await score).toBe(5);
    await settled();
    expect(measuresOf(worker(0))).toHaveLength(2);
    await took(0, 100);
    await took(1, 50);
    expect([reranker.device, reranker.choice.why]).toEqual(["webgpu", "measured"]);
  });

  test("nothing is measured beside a call, at whatever moment behind another it comes", async () => {
    for (let moment = 0; moment < 20; moment++) {
      ScriptedWorker.all = [];
      const reranker = await tried();
      void explain(reranker);
      await settled();
      worker(0).answerExplain(explainsOf(worker(0))[0]!, 5);
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      void explain(reranker).catch(() => {});
      await settled();
      const cancelled = worker(0).received.filter(({ type }) => type === "cancel").map(({ id }) => id);
      expect([moment, cancelled]).toEqual([moment, measuresOf(worker(0))]);
      reranker.dispose();
    }
  });

  test.each([
    ["CPU, no GPU is tried", 250, "cpu", 1],
    ["GPU, it takes over without a measurement", 50, "webgpu", 2],
  ] as const)("where an earlier visit found for the %s", async (_, ms, device, workers) => {
    const earlier = await tried();
    await took(0, 100);
    await took(1, ms);
    earlier.dispose();
    ScriptedWorker.all = [];
    const reranker = await load();
    await settled();
    if (device === "webgpu") worker(1).load("webgpu");
    await settled();
    expect([reranker.device, ScriptedWorker.all.length, ScriptedWorker.all.flatMap(measuresOf)]).toEqual([device, workers, []]);
    expect(reranker.choice).toMatchObject({ why: "measured", candidates: [{ device }, {}] });
  });

  test("disposed of, neither device has a worker left", async () => {
    const reranker = await load();
    reranker.dispose();
    await settled();
    expect([live(), changes, warnings]).toEqual([[], [], []]);
  });
});

test.each(["cpu", "webgpu"] as const)("with %s no other device is tried", async (device) => {
  const loading = Reranker.load("/model", { wasmUrl: "/cpu.wasm", gpuWasmUrl: "/gpu.wasm", device });
  await ScriptedWorker.started();
  expect(loadOf(worker(0))).toMatchObject({ wasm: device === "cpu" ? "https://host/cpu.wasm" : "https://host/gpu.wasm", device });
  worker(0).load(device);
  expect((await loading).choice).toEqual({ device, workers: 1, candidates: [], why: "asked" });
  await settled();
  expect(ScriptedWorker.all).toHaveLength(1);
});
