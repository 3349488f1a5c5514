import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ErrorData } from "../../src/error.js";
import { type ClientSetup, WorkerClient } from "../../src/page/worker-client.js";
import type { LoadRequest } from "../../src/protocol.js";
import { ScriptedWorker } from "../support/workers.js";

const FOLDER = { kind: "folder", url: "https://host/model/", revision: "", headers: {}, cache: "use", origin: {} } as const;
const PANIC: ErrorData = { code: "INTERNAL", message: "the engine panicked: index out of bounds at src/maxsim.rs:12" };
const FULL: ErrorData = { code: "OUT_OF_MEMORY", message: "the engine panicked: capacity overflow" };
const LOST: ErrorData = { code: "DEVICE_LOST", message: "the WebGPU device was lost (unknown)" };

const warnings: string[] = [];

function setUp(load: Partial<LoadRequest> = {}, more: Partial<ClientSetup> = {}): WorkerClient {
  return new WorkerClient({
    spawn: () => new ScriptedWorker() as unknown as Worker,
    load: { wasm: "https://host/tabrank.wasm", checkpoint: FOLDER, device: "auto", convert: undefined, resume: false, ...load },
    queue: 3,
    onProgress: () => {},
    onWarning: ({ code }) => warnings.push(code),
    ...more,
  });
}

async function loaded(device: "cpu" | "webgpu" = "cpu", load: Partial<LoadRequest> = {}): Promise<WorkerClient> {
  const client = setUp(load);
  const loading = client.load();
  ScriptedWorker.last.load(device);
  await loading;
  return client;
}

const explain = (client: WorkerClient, signal?: AbortSignal) => client.call("explain", { query: "q", document: "d" }, { signal });

beforeEach(() => {
  ScriptedWorker.all = [];
  warnings.length = 0;
});
afterEach(() => vi.useRealTimers());

describe("calls", () => {
  test("answers find their calls by id, in whatever order they come", async () => {
    const client = await loaded();
    const calls = [explain(client), explain(client)];
    ScriptedWorker.last.answerExplain(2, 22);
    ScriptedWorker.last.answerExplain(1, 11);
    expect((await Promise.all(calls)).map(({ score }) => score)).toEqual([11, 22]);
  });

  test("a call beyond the queue is refused as BUSY, and one that ended makes room", async () => {
    const client = await loaded();
    const calls = [explain(client), explain(client), explain(client)];
    await expect(explain(client)).rejects.toMatchObject({ code: "BUSY", retryable: true });
    ScriptedWorker.last.answerExplain(1, 1);
    await calls[0];
    void explain(client);
    expect(ScriptedWorker.last.calls).toHaveLength(5);
  });

  test("an error crosses with its code, hint and details", async () => {
    const client = await loaded();
    const call = explain(client);
    ScriptedWorker.last.say({ type: "failed", id: 1, error: { code: "NON_FINITE", message: "score 3 is NaN", hint: "load it anew" } });
    await expect(call).rejects.toMatchObject({ name: "RerankerError", code: "NON_FINITE", message: "score 3 is NaN", hint: "load it anew" });
  });

  test("an abort rejects at once with its reason, tells the worker, and later events are not heard", async () => {
    const client = await loaded();
    const controller = new AbortController();
    const events: number[] = [];
    const request = { query: "q", texts: ["d"], base: 0, topK: 1, explain: false, profile: false };
    const call = client.call("rerank", request, { signal: controller.signal, onProgress: ({ done }) => events.push(done) });
    ScriptedWorker.last.say({ type: "batch", id: 1, done: 1, total: 2 });
    controller.abort(new Error("typed on"));
    ScriptedWorker.last.say({ type: "batch", id: 1, done: 2, total: 2 });
    await expect(call).rejects.toThrow("typed on");
    expect(ScriptedWorker.last.received.at(-1)).toEqual({ type: "cancel", id: 1 });
    expect(events).toEqual([1]);
  });

  test("an aborted signal sends nothing, and its default reason is an AbortError", async () => {
    const client = await loaded();
    await expect(explain(client, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
    expect(ScriptedWorker.last.calls).toHaveLength(1);
  });

  test("stopping ends the worker, rejects open calls and those to come", async () => {
    const client = await loaded();
    const call = explain(client);
    client.stop(new Error("disposed"));
    client.stop(new Error("again"));
    await expect(call).rejects.toThrow("disposed");
    await expect(explain(client)).rejects.toThrow("disposed");
    expect(ScriptedWorker.last.terminated).toBe(true);
  });
});

describe("a worker that dies", () => {
  test("is replaced, and the call it was at is tried once more", async () => {
    const client = await loaded();
    const call = explain(client);
    ScriptedWorker.last.say({ type: "fatal", error: PANIC });
    expect(ScriptedWorker.all).toHaveLength(2);
    expect(ScriptedWorker.all[0]!.terminated).toBe(true);
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(1, 5);
    expect((await call).score).toBe(5);
  });

  test("twice at one call fails that call with the panic's text, and the calls behind it go on", async () => {
    const client = await loaded();
    const [first, second] = [explain(client), explain(client)];
    first.catch(() => {});
    for (let death = 0; death < 2; death++) {
      ScriptedWorker.last.say({ type: "fatal", error: PANIC });
      ScriptedWorker.last.load();
    }
    ScriptedWorker.last.answerExplain(2, 9);
    await expect(first).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringContaining("src/maxsim.rs:12") });
    expect((await second).score).toBe(9);
    expect(ScriptedWorker.last.calls.map(({ id }) => id)).toEqual([0, 2]);
  });

  test("for want of memory fails its call at once, and the calls behind it go on", async () => {
    const client = await loaded();
    const [first, second] = [explain(client), explain(client)];
    ScriptedWorker.last.say({ type: "fatal", error: FULL, id: 1 });
    await expect(first).rejects.toMatchObject({ code: "OUT_OF_MEMORY", hint: expect.stringMatching(/fewer or shorter documents.*smaller model/), retryable: false });
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(2, 9);
    expect((await second).score).toBe(9);
    expect(ScriptedWorker.last.calls.map(({ id }) => id)).toEqual([0, 2]);
  });

  test("for want of memory with no other call is not replaced before the next one", async () => {
    const client = await loaded();
    const call = explain(client);
    ScriptedWorker.last.say({ type: "fatal", error: FULL, id: 1 });
    await expect(call).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(ScriptedWorker.all).toHaveLength(1);
  });

  test("at a call that was cancelled is no fault of the call behind it", async () => {
    const client = await loaded();
    const controller = new AbortController();
    const cancelled = explain(client, controller.signal);
    const next = explain(client);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ name: "AbortError" });
    ScriptedWorker.last.say({ type: "fatal", error: FULL, id: 1 });
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(2, 7);
    expect((await next).score).toBe(7);
  });

  test("in the load for want of memory is replaced once, as it may go on with what was stored", async () => {
    const loading = setUp().load();
    for (let death = 0; death < 2; death++) ScriptedWorker.last.say({ type: "started" }, { type: "fatal", error: FULL, id: 0 });
    await expect(loading).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(ScriptedWorker.all).toHaveLength(2);
  });

  test("with nothing to do is replaced by the next call only", async () => {
    const client = await loaded();
    ScriptedWorker.last.say({ type: "fatal", error: PANIC });
    expect(ScriptedWorker.all).toHaveLength(1);
    const call = explain(client);
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(1, 3);
    expect((await call).score).toBe(3);
  });

  test("by an error event counts alike, and what it says afterwards is not heard", async () => {
    const client = await loaded();
    const call = explain(client);
    const old = ScriptedWorker.last;
    old.fail("Uncaught RuntimeError");
    old.answerExplain(1, 666);
    old.say({ type: "fatal", error: LOST });
    expect(ScriptedWorker.all).toHaveLength(2);
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(1, 5);
    expect((await call).score).toBe(5);
  });

  test("leaves its module, and the leave to use what it stored, to the next one", async () => {
    const client = await loaded("cpu", { checkpoint: { ...FOLDER, cache: "reload" } });
    const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    ScriptedWorker.last.say({ type: "compiled", module }, { type: "fatal", error: PANIC });
    void explain(client).catch(() => {});
    const { request } = ScriptedWorker.last.calls[0] as { request: LoadRequest };
    expect(request).toMatchObject({ wasm: module, resume: true, checkpoint: { cache: "use" } });
  });

  test("whose successor cannot load fails all open calls with that cause; the next call tries anew", async () => {
    const client = await loaded();
    const calls = [explain(client), explain(client)];
    ScriptedWorker.last.say({ type: "fatal", error: PANIC });
    ScriptedWorker.last.say({ type: "started" }, { type: "failed", id: 0, error: { code: "NETWORK", message: "gone" } });
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "NETWORK" });
    const call = explain(client);
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(3, 1);
    expect((await call).score).toBe(1);
  });
});

describe("WebGPU", () => {
  test("lost in auto: the CPU takes over with a warning that names the cause, and the call is repeated there", async () => {
    const client = await loaded("webgpu");
    const call = explain(client);
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    expect((ScriptedWorker.last.calls[0] as { request: LoadRequest }).request.device).toBe("cpu");
    ScriptedWorker.last.load("cpu");
    ScriptedWorker.last.answerExplain(1, 5);
    expect((await call).score).toBe(5);
    expect(client.device).toBe("cpu");
    expect(client.warnings).toEqual([{ code: "WEBGPU_FALLBACK", message: expect.stringContaining("device was lost") }]);
  });

  test("is not blamed for a call that took all memory", async () => {
    const client = await loaded("webgpu");
    const [first, second] = [explain(client), explain(client)];
    first.catch(() => {});
    ScriptedWorker.last.say({ type: "fatal", error: FULL, id: 1 });
    expect((ScriptedWorker.last.calls[0] as { request: LoadRequest }).request.device).toBe("auto");
    ScriptedWorker.last.load("webgpu");
    ScriptedWorker.last.answerExplain(2, 5);
    expect((await second).score).toBe(5);
    expect(warnings).toEqual([]);
  });

  test("lost when it was asked for: one new try on WebGPU, then DEVICE_LOST", async () => {
    const client = await loaded("webgpu", { device: "webgpu" });
    const call = explain(client);
    call.catch(() => {});
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    expect((ScriptedWorker.last.calls[0] as { request: LoadRequest }).request.device).toBe("webgpu");
    ScriptedWorker.last.load("webgpu");
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    await expect(call).rejects.toMatchObject({ code: "DEVICE_LOST" });
    expect(warnings).toEqual([]);
  });

  test("dead during the load in auto: the load goes on on the CPU", async () => {
    const client = setUp();
    const loading = client.load();
    ScriptedWorker.last.say({ type: "started" }, { type: "trying-webgpu" }, { type: "fatal", error: LOST });
    ScriptedWorker.last.load("cpu");
    await loading;
    expect(warnings).toEqual(["WEBGPU_FALLBACK"]);
  });

  test("is not blamed for a death before it was tried", async () => {
    const client = setUp();
    const loading = client.load();
    ScriptedWorker.last.say({ type: "started" }, { type: "fatal", error: PANIC });
    expect((ScriptedWorker.last.calls[0] as { request: LoadRequest }).request.device).toBe("auto");
    ScriptedWorker.last.say({ type: "started" }, { type: "fatal", error: PANIC });
    await expect(loading).rejects.toMatchObject({ code: "INTERNAL" });
    expect(ScriptedWorker.all).toHaveLength(2);
  });
});

describe("a worker that never runs", () => {
  test("fails the load with the cause, without another try", async () => {
    const loading = setUp().load();
    ScriptedWorker.last.fail();
    await expect(loading).rejects.toMatchObject({ code: "WORKER_FAILED", hint: expect.stringContaining("optimizeDeps") });
    expect(ScriptedWorker.all).toHaveLength(1);
  });

  test("is given up after 30 seconds", async () => {
    vi.useFakeTimers();
    const loading = setUp().load();
    loading.catch(() => {});
    await vi.advanceTimersByTimeAsync(30_000);
    await expect(loading).rejects.toMatchObject({ code: "WORKER_FAILED" });
    expect(ScriptedWorker.last.terminated).toBe(true);
  });

  test("because the browser throws is told as such", async () => {
    const refused = () => {
      throw new Error("SecurityError");
    };
    await expect(setUp({}, { spawn: refused }).load()).rejects.toThrow("SecurityError");
  });
});

test("a load that is stopped ends its worker and rejects with the reason", async () => {
  const client = setUp();
  const loading = client.load();
  client.stop(new DOMException("stop", "AbortError"));
  await expect(loading).rejects.toMatchObject({ name: "AbortError" });
  expect(ScriptedWorker.last.terminated).toBe(true);
});

test("a warning that a successor repeats is given once", async () => {
  await loaded();
  const warning = { code: "CACHE_UNAVAILABLE", message: "no room" };
  ScriptedWorker.last.say({ type: "warning", warning }, { type: "warning", warning });
  expect(warnings).toEqual(["CACHE_UNAVAILABLE"]);
});
