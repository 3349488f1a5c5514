import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ErrorData } from "../../src/error.js";
import { type ClientSetup, GpuGivenUp, WorkerClient } from "../../src/page/worker-client.js";
import type { LoadRequest } from "../../src/protocol.js";
import { ScriptedWorker } from "../support/workers.js";

const FOLDER = { kind: "folder", url: "https://host/model/", source: "https://host/model/", revision: "", headers: {}, cache: "use" } as const;
const PANIC: ErrorData = { code: "INTERNAL", message: "the engine panicked: index out of bounds at src/maxsim.rs:12" };
const FULL: ErrorData = { code: "OUT_OF_MEMORY", message: "the engine panicked: capacity overflow" };
const LOST: ErrorData = { code: "DEVICE_LOST", message: "the WebGPU device was lost (unknown)" };

const SILENCE = 10_000;

const warnings: string[] = [];

function setUp(load: Partial<LoadRequest> = {}, more: Partial<ClientSetup> = {}): WorkerClient {
  return new WorkerClient({
    spawn: () => new ScriptedWorker() as unknown as Worker,
    load: { wasm: "https://host/tabrank.wasm", engine: "both", checkpoint: FOLDER, device: "auto", convert: undefined, resume: false, ...load },
    queue: 3,
    silence: SILENCE,
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

/** What the newest worker was asked to load. */
const lastLoad = () => (ScriptedWorker.last.calls[0] as { request: LoadRequest }).request;

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
    const request = { query: "q", texts: ["d"], stages: [], base: 0, topK: 1, explain: false, profile: false };
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

  test("begun again in a new worker tell of progress from where they were", async () => {
    const client = await loaded();
    const events: number[] = [];
    const request = { query: "q", texts: ["a", "b", "c"], stages: [], base: 0, topK: 1, explain: false, profile: false };
    void client.call("rerank", request, { onProgress: ({ done }) => events.push(done) }).catch(() => {});
    ScriptedWorker.last.say({ type: "batch", id: 1, done: 1, total: 3 }, { type: "batch", id: 1, done: 2, total: 3 }, { type: "fatal", error: PANIC });
    ScriptedWorker.last.load();
    for (const done of [1, 2, 3]) ScriptedWorker.last.say({ type: "batch", id: 1, done, total: 3 });
    expect(events).toEqual([1, 2, 3]);
  });

  test("whose request cannot cross fail by themselves, and take no room in the queue", async () => {
    const client = await loaded();
    const posted = vi.spyOn(ScriptedWorker.last, "postMessage");
    for (const [message, code] of [["An ArrayBuffer is detached and could not be cloned.", "INVALID_INPUT"], ["Data cannot be cloned, out of memory.", "OUT_OF_MEMORY"]] as const) {
      posted.mockImplementation(() => {
        throw new DOMException(message, "DataCloneError");
      });
      for (let call = 0; call < 5; call++) await expect(explain(client)).rejects.toMatchObject({ name: "RerankerError", code, cause: { message } });
    }
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
    expect(lastLoad()).toMatchObject({ wasm: module, resume: true, checkpoint: { cache: "use" } });
  });

  test("in a reload leaves it to the next one", async () => {
    const client = setUp({ checkpoint: { ...FOLDER, cache: "reload" } });
    void client.load().catch(() => {});
    ScriptedWorker.last.say({ type: "started" }, { type: "fatal", error: PANIC });
    const { request } = ScriptedWorker.last.calls[0] as { request: LoadRequest };
    expect(ScriptedWorker.all).toHaveLength(2);
    expect(request).toMatchObject({ resume: true, checkpoint: { cache: "reload" } });
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

describe("a worker that says nothing", () => {
  beforeEach(() => void vi.useFakeTimers());

  /** Seconds pass, in each of which the worker says that it lives. */
  const live = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      ScriptedWorker.last.say({ type: "alive" });
    }
  };

  test("while it has work is replaced like one that died, and its call tried once more", async () => {
    const client = await loaded();
    const [first, second] = [explain(client), explain(client)];
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(SILENCE);
    expect(ScriptedWorker.all.map(({ terminated }) => terminated)).toEqual([true, false]);
    ScriptedWorker.last.load();
    await vi.advanceTimersByTimeAsync(SILENCE);
    await expect(first).rejects.toMatchObject({ code: "WORKER_FAILED", message: "the worker gave no sign of life for 10 seconds" });
    ScriptedWorker.last.load();
    ScriptedWorker.last.answerExplain(2, 7);
    expect((await second).score).toBe(7);
  });

  test("in the load is replaced once", async () => {
    const loading = setUp().load();
    loading.catch(() => {});
    for (let life = 0; life < 2; life++) {
      ScriptedWorker.last.say({ type: "started" });
      await live(20);
      await vi.advanceTimersByTimeAsync(SILENCE);
    }
    await expect(loading).rejects.toMatchObject({ code: "WORKER_FAILED" });
    expect(ScriptedWorker.all.map(({ terminated }) => terminated)).toEqual([true, true]);
  });

  test("on WebGPU gives that up", async () => {
    const client = await loaded("webgpu");
    const call = expect(explain(client)).rejects.toThrow(GpuGivenUp);
    await vi.advanceTimersByTimeAsync(SILENCE);
    await call;
  });

  test("with nothing to do, or after its call was cancelled, is left in peace", async () => {
    const client = await loaded();
    const controller = new AbortController();
    const call = explain(client, controller.signal);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    await vi.advanceTimersByTimeAsync(10 * SILENCE);
    expect(ScriptedWorker.all.map(({ terminated }) => terminated)).toEqual([false]);
  });

  test("is not what a worker is that tells of its life now and then, however long a call takes", async () => {
    const client = await loaded();
    const call = explain(client);
    await live(600);
    await vi.advanceTimersByTimeAsync(0.8 * SILENCE);
    ScriptedWorker.last.answerExplain(1, 3);
    expect((await call).score).toBe(3);
    expect(ScriptedWorker.all).toHaveLength(1);
  });

  test("because the page itself slept is not blamed: each sleep counts as one tick of ten", async () => {
    const client = await loaded();
    const call = explain(client);
    const ticks = vi.spyOn(globalThis, "clearInterval");
    for (let sleep = 0; sleep < 5; sleep++) {
      // The clock jumps, and no timer has run meanwhile.
      vi.setSystemTime(Date.now() + 3_600_000);
      await vi.advanceTimersByTimeAsync(SILENCE / 10);
    }
    expect(ticks).not.toHaveBeenCalled();
    ScriptedWorker.last.answerExplain(1, 3);
    expect((await call).score).toBe(3);
  });
});

describe("WebGPU", () => {
  test("lost in auto: it is tried again, and the call is repeated there, without a warning", async () => {
    const client = await loaded("webgpu");
    const call = explain(client);
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    expect(lastLoad().device).toBe("auto");
    ScriptedWorker.last.load("webgpu");
    ScriptedWorker.last.answerExplain(1, 5);
    expect((await call).score).toBe(5);
    expect({ device: client.device, warnings }).toEqual({ device: "webgpu", warnings: [] });
  });

  test.each([
    ["in the same call", true, "webgpu"],
    ["with nothing to do", false, "webgpu"],
    ["while it is set up again", true, undefined],
  ] as const)("lost twice within a minute, %s: is given up, with the cause", async (_, isCalled, device) => {
    const client = await loaded("webgpu");
    const call = isCalled ? explain(client) : undefined;
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    const next = call ?? explain(client);
    if (device) ScriptedWorker.last.load(device);
    else ScriptedWorker.last.say({ type: "started" }, { type: "trying-webgpu" });
    const started = ScriptedWorker.all.length;
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    await expect(next).rejects.toThrow(GpuGivenUp);
    expect(client.ended.reason).toMatchObject({ code: "DEVICE_LOST", message: expect.stringContaining("device was lost") });
    expect(ScriptedWorker.all).toHaveLength(started);
  });

  test("lost again after more than a minute is tried again", async () => {
    vi.useFakeTimers();
    const client = await loaded("webgpu");
    for (let loss = 0; loss < 3; loss++) {
      ScriptedWorker.last.say({ type: "fatal", error: LOST });
      await vi.advanceTimersByTimeAsync(60_001);
      const call = explain(client);
      expect(lastLoad().device).toBe("auto");
      ScriptedWorker.last.load("webgpu");
      ScriptedWorker.last.answerExplain(loss + 1, 5);
      expect((await call).score).toBe(5);
    }
    expect(warnings).toEqual([]);
  });

  test.each(["INTERNAL", "NON_FINITE", "TIMEOUT"] as const)("that fails with %s in auto is given up at once", async (code) => {
    const client = await loaded("webgpu");
    const call = explain(client);
    ScriptedWorker.last.say({ type: "fatal", error: { code, message: "of some kind" } });
    await expect(call).rejects.toThrow(GpuGivenUp);
    expect(ScriptedWorker.all).toHaveLength(1);
  });

  test("is not blamed for a call that took all memory", async () => {
    const client = await loaded("webgpu");
    const [first, second] = [explain(client), explain(client)];
    first.catch(() => {});
    ScriptedWorker.last.say({ type: "fatal", error: FULL, id: 1 });
    expect(lastLoad().device).toBe("auto");
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
    expect(lastLoad().device).toBe("webgpu");
    ScriptedWorker.last.load("webgpu");
    ScriptedWorker.last.say({ type: "fatal", error: LOST });
    await expect(call).rejects.toMatchObject({ code: "DEVICE_LOST" });
    expect(warnings).toEqual([]);
  });

  test("dead during the load in auto: it is given up", async () => {
    const client = setUp();
    const loading = client.load();
    ScriptedWorker.last.say({ type: "started" }, { type: "trying-webgpu" }, { type: "fatal", error: LOST });
    await expect(loading).rejects.toThrow(GpuGivenUp);
    expect(ScriptedWorker.all).toHaveLength(1);
  });

  test("is not blamed for a death before it was tried", async () => {
    const client = setUp();
    const loading = client.load();
    ScriptedWorker.last.say({ type: "started" }, { type: "fatal", error: PANIC });
    expect(lastLoad().device).toBe("auto");
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

  test("is given up after the silence that it is allowed", async () => {
    vi.useFakeTimers();
    const loading = setUp().load();
    loading.catch(() => {});
    await vi.advanceTimersByTimeAsync(SILENCE);
    await expect(loading).rejects.toMatchObject({ code: "WORKER_FAILED", message: expect.stringContaining("within 10 seconds") });
    expect(ScriptedWorker.last.terminated).toBe(true);
    expect(ScriptedWorker.all).toHaveLength(1);
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
