import { afterEach, describe, expect, test, vi } from "vitest";
import type { EncodeAnswer, FromWorker, LoadRequest, RerankAnswer, RerankRequest } from "../../src/protocol.js";
import { Dispatcher } from "../../src/worker/dispatcher.js";
import { nextTask } from "../../src/worker/task.js";
import { engineError, fakeDecoder, FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { stubStorage } from "../support/storage.js";

const WASM = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
const FILES = Object.fromEntries(["config.json", "tokenizer.json", "model.safetensors"].map((name) => [name, new Blob(["{}"])]));
const LOAD: LoadRequest = { wasm: WASM, engine: "cpu", checkpoint: { kind: "files", files: FILES }, device: "cpu", convert: undefined, resume: false };

class Session {
  readonly messages: FromWorker[] = [];
  readonly transfers: Transferable[][] = [];
  readonly engine: FakeEngine;
  readonly module;
  readonly dispatcher;

  constructor(engine = new FakeEngine(), load: Parameters<typeof fakeModule>[0] = async () => engine) {
    this.engine = engine;
    this.module = fakeModule(load);
    this.dispatcher = new Dispatcher({ cpu: this.module, both: this.module }, (message, transfer) => {
      this.messages.push(message);
      this.transfers.push(transfer);
    }, fakeDecoder());
    this.dispatcher.receive({ type: "call", id: 0, name: "load", request: LOAD });
  }

  rerank(id: number, texts: string[], more: Partial<RerankRequest> = {}): void {
    const request: RerankRequest = { query: `query ${id}`, texts, stages: [{ use: "late" }], base: 0, topK: texts.length, explain: false, profile: false, ...more };
    this.dispatcher.receive({ type: "call", id, name: "rerank", request });
  }

  of<T extends FromWorker["type"]>(type: T): Extract<FromWorker, { type: T }>[] {
    return this.messages.filter((message): message is Extract<FromWorker, { type: T }> => message.type === type);
  }

  async until(type: FromWorker["type"], count = 1): Promise<void> {
    while (this.of(type).length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("calls", () => {
  test("run one at a time, in the order they came", async () => {
    const session = new Session();
    for (const id of [1, 2, 3]) session.rerank(id, ["a", "b"]);
    await session.until("answer", 4);
    expect(session.of("answer").map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect(session.of("batch").map(({ id }) => id)).toEqual([1, 1, 2, 2, 3, 3]);
  });

  test.each([
    ["q8", "cpu", 1],
    ["f32", "cpu", 0],
    ["q8", "webgpu", 0],
  ] as const)("with %s on %s measure the form of the byte product %i times, when the first is answered", async (dtype, device, times) => {
    const session = new Session(Object.assign(new FakeEngine(device), { info: { ...INFO, dtype } }));
    const answers: number[] = [];
    Object.assign(session.module, {
      productForms: () => ["a", "b"],
      measureProductForms: () => (answers.push(session.of("answer").length), [{ form: "b", gops: 1 }]),
    });
    for (const id of [1, 2]) session.rerank(id, ["a"]);
    await session.until("answer", 3);
    expect(answers).toEqual(Array(times).fill(2));
  });

  test("of a part of a list answer with places in the whole list, as arrays that are transferred", async () => {
    const session = new Session();
    session.rerank(1, ["a", "bbb", "cc"], { base: 100, topK: 2 });
    await session.until("answer", 2);
    const answer = session.of("answer")[1]!.answer as RerankAnswer;
    expect([...answer.indices]).toEqual([101, 102]);
    expect(session.transfers.at(-1)).toContain(answer.indices.buffer);
    expect(session.transfers.at(-1)).toContain(answer.scores.buffer);
  });

  test("that encode answer with the engine's own parts, all of them transferred", async () => {
    const session = new Session();
    session.dispatcher.receive({ type: "call", id: 1, name: "encode", request: { kind: "document", texts: ["a", "bb"], pooling: "none" } });
    await session.until("answer", 2);
    const { parts, lengths, dimension, truncated } = session.of("answer")[1]!.answer as EncodeAnswer;
    expect({ parts: parts.map((part) => [...part]), lengths: [...lengths], dimension, truncated: [...truncated] }).toEqual({ parts: [[1, 0], [2, 0]], lengths: [1, 1], dimension: 2, truncated: [0, 0] });
    expect(session.transfers.at(-1)).toEqual([...parts, lengths, truncated].map(({ buffer }) => buffer));
  });

  test("are timed by stage", async () => {
    const engine = new FakeEngine();
    engine.beforeText = () => new Promise((resolve) => setTimeout(resolve, 15));
    const session = new Session(engine);
    session.rerank(1, ["a", "b"]);
    await session.until("answer", 2);
    const { timings } = session.of("answer")[1]!.answer as RerankAnswer;
    expect(timings.encode).toBeGreaterThan(25);
    expect(timings.tokenize).toBeLessThan(5);
    const { tokenize, encode, score, explain, total, stages, ...others } = timings;
    expect(tokenize + encode + score + explain).toBeLessThanOrEqual(total + 0.001);
    expect(others).toEqual({});
    expect(stages).toHaveLength(1);
    expect(stages[0]).toBeGreaterThan(0);
  });

  test("with a profile tell the encoder's parts as well", async () => {
    const session = new Session();
    session.rerank(1, ["a"], { profile: true });
    await session.until("answer", 2);
    expect((session.of("answer")[1]!.answer as RerankAnswer).timings.encoder).toEqual({ products: 4, attention: 3, norms: 2, quantize: 1 });
  });

  test("that are cancelled stop at the next batch and say nothing more", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    const seen: string[] = [];
    engine.beforeText = (text) => {
      seen.push(text);
      if (text === "b") setTimeout(() => session.dispatcher.receive({ type: "cancel", id: 1 }));
      return new Promise((resolve) => setTimeout(resolve, 5));
    };
    session.rerank(1, ["a", "b", "c", "d"]);
    session.rerank(2, ["e"]);
    await session.until("answer", 2);
    expect(seen).toEqual(["a", "b", "e"]);
    expect(session.messages.filter((message) => "id" in message && message.id === 1).map(({ type }) => type)).toEqual(["batch"]);
  });

  test("see a cancellation within milliseconds, also when no batch waits for anything", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    let cancelled = 0;
    let last = 0;
    engine.beforeText = (text) => {
      cancelled ||= cancelSoon(session);
      if (text === "a") last = busyFor(1);
    };
    session.rerank(1, Array<string>(1000).fill("a"));
    session.rerank(2, ["b"]);
    await session.until("answer", 2);
    expect(last - cancelled).toBeLessThan(100);
  });

  test("see it at a pause as well, in the middle of a text, and stop there", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    let cancelled = 0;
    let last = 0;
    engine.beforeText = async (text, pause) => {
      if (text === "b") return;
      cancelled = cancelSoon(session);
      for (let layer = 0; layer < 1000; layer++) {
        last = busyFor(1);
        if (!(await pause())) throw engineError("ABORTED", "stopped");
      }
    };
    session.rerank(1, ["a"]);
    session.rerank(2, ["b"]);
    await session.until("answer", 2);
    expect(last - cancelled).toBeLessThan(100);
    expect(session.messages.some((message) => "id" in message && message.id === 1)).toBe(false);
  });

  test("do not wait at a pause that comes soon after another, and at the next one that is due", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    const waits: boolean[] = [];
    engine.beforeText = async (_, pause) => {
      for (const busy of [0, 0, 0, 10, 0]) {
        busyFor(busy);
        const answer = pause();
        waits.push(answer instanceof Promise);
        expect(await answer).toBe(true);
      }
    };
    session.rerank(1, ["a"]);
    await session.until("answer", 2);
    expect(waits).toEqual([true, false, false, true, false]);
  });

  test("tell of each batch at once, whether or not the event loop has its turn", async () => {
    const session = new Session();
    session.rerank(1, Array<string>(50).fill("a"));
    await session.until("answer", 2);
    expect(session.of("batch").map(({ done, total }) => [done, total])).toEqual(Array.from({ length: 50 }, (_, index) => [index + 1, 50]));
  });

  test("that are cancelled while they wait never start", async () => {
    const session = new Session();
    session.rerank(1, ["a"]);
    session.rerank(2, ["b"]);
    session.dispatcher.receive({ type: "cancel", id: 2 });
    session.rerank(3, ["c"]);
    await session.until("answer", 3);
    expect(session.engine.started).toEqual(["query 1", "query 3"]);
  });

  test("fail with the engine's code", async () => {
    const engine = new FakeEngine();
    engine.beforeText = () => {
      throw engineError("NON_FINITE", "score 0 is NaN");
    };
    const session = new Session(engine);
    session.rerank(1, ["a"]);
    await session.until("failed");
    expect(session.of("failed")).toEqual([{ type: "failed", id: 1, error: { code: "NON_FINITE", message: "score 0 is NaN", hint: expect.stringContaining("damaged") } }]);
  });
});

describe("a GPU that is found wrong in a call", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("is known for it before the worker ends", async () => {
    const storage = stubStorage();
    vi.stubGlobal("navigator", { userAgent: "" });
    const engine = new FakeEngine("webgpu");
    engine.beforeText = () => {
      throw engineError("DEVICE_REJECTED", "its embeddings differ");
    };
    const session = new Session(engine);
    session.rerank(1, ["a"]);
    await session.until("fatal");
    expect([...storage.entries.values()].map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)).reason)).toEqual(["its embeddings differ"]);
  });
});

describe("signs of life", () => {
  afterEach(() => vi.useRealTimers());

  test("are given each second while a call runs, and not between calls", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const engine = new FakeEngine();
    const session = new Session(engine);
    await session.until("answer");
    vi.advanceTimersByTime(60_000);
    expect(session.of("alive")).toEqual([]);
    let end = () => {};
    engine.beforeText = () => new Promise((resolve) => (end = resolve));
    session.rerank(1, ["a"]);
    await vi.waitUntil(() => engine.started.length > 0);
    vi.advanceTimersByTime(60_000);
    expect(session.of("alive")).toHaveLength(60);
    end();
    await session.until("answer", 2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the end of an instance", () => {
  test("by a panic: its text is told once, without the user's words, and nothing after it", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    engine.beforeText = () => {
      session.module.panic("byte index 1 is not a char boundary; it is inside 'é' (bytes 0..2) of `élan secret`\nat src/tokenizer.rs:7");
      throw new WebAssembly.RuntimeError("unreachable");
    };
    session.rerank(1, ["élan secret"]);
    session.rerank(2, ["b"]);
    await session.until("fatal");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(session.messages.at(-1)!.type).toBe("fatal");
    const { code, message } = session.of("fatal")[0]!.error;
    expect(code).toBe("INTERNAL");
    expect(session.of("fatal")[0]!.id).toBe(1);
    expect(message).toContain("src/tokenizer.rs:7");
    expect(message).not.toMatch(/secret|élan/);
  });

  test("by a trap without a panic is a failed allocation", async () => {
    const engine = new FakeEngine();
    engine.beforeText = () => {
      throw new WebAssembly.RuntimeError("unreachable executed");
    };
    const session = new Session(engine);
    session.rerank(1, ["a"]);
    await session.until("fatal");
    expect(session.of("fatal")[0]!.error.code).toBe("OUT_OF_MEMORY");
  });

  test("names the call it was at, also one that was cancelled meanwhile", async () => {
    const engine = new FakeEngine();
    const session = new Session(engine);
    engine.beforeText = () => {
      session.dispatcher.receive({ type: "cancel", id: 1 });
      throw new WebAssembly.RuntimeError("unreachable");
    };
    session.rerank(1, ["a"]);
    session.rerank(2, ["b"]);
    await session.until("fatal");
    expect(session.of("fatal")[0]!.id).toBe(1);
  });

  test("in a task of its own, outside of any call", async () => {
    const session = new Session();
    await session.until("answer");
    session.module.panic("boom at src/wasm.rs:1");
    session.dispatcher.failed(new WebAssembly.RuntimeError("unreachable"));
    expect(session.of("fatal")[0]!.error).toMatchObject({ code: "INTERNAL", message: expect.stringContaining("boom") });
  });

  test.each(["DEVICE_LOST", "DEVICE_REJECTED", "NON_FINITE"])("by %s on WebGPU, but not on the CPU", async (code) => {
    for (const device of ["webgpu", "cpu"] as const) {
      const engine = new FakeEngine(device);
      engine.beforeText = () => {
        throw engineError(code, "bad");
      };
      const session = new Session(engine);
      session.rerank(1, ["a"]);
      await session.until(device === "webgpu" ? "fatal" : "failed");
    }
  });

  test("by its GPU: only where the engine uses it, or may still come to use it", async () => {
    const loading = new Session(new FakeEngine("webgpu"));
    loading.dispatcher.gpuFailed("destroyed", true);
    expect(loading.of("fatal")).toEqual([]);
    const onCpu = new Session(new FakeEngine("cpu"));
    await onCpu.until("answer");
    onCpu.dispatcher.gpuFailed("lost", false);
    expect(onCpu.of("fatal")).toEqual([]);
    const onGpu = new Session(new FakeEngine("webgpu"));
    await onGpu.until("answer");
    onGpu.dispatcher.gpuFailed("lost", true);
    expect(onGpu.of("fatal")).toEqual([{ type: "fatal", error: { code: "DEVICE_LOST", message: "lost", hint: expect.stringContaining("Call again") } }]);
  });

  test("by a GPU that does not answer: at a call, and in the load with its phase; not where the engine has left it", async () => {
    const loading = new Session(undefined, async (_checkpoint, _options, hooks) => {
      hooks.stage?.("check");
      return new Promise(() => {});
    });
    await vi.waitUntil(() => loading.of("progress").some(({ progress }) => progress.phase === "check"));
    loading.dispatcher.gpuSilent("no answer");
    expect(loading.of("fatal")).toEqual([{ type: "fatal", id: 0, error: expect.objectContaining({ code: "TIMEOUT", message: 'no answer, in the phase "check" of the load' }) }]);
    const onCpu = new Session(new FakeEngine("cpu"));
    await onCpu.until("answer");
    onCpu.dispatcher.gpuSilent("no answer");
    expect(onCpu.of("fatal")).toEqual([]);
    const onGpu = new Session(new FakeEngine("webgpu"));
    await onGpu.until("answer");
    onGpu.dispatcher.gpuSilent("no answer");
    expect(onGpu.of("fatal")).toEqual([{ type: "fatal", error: expect.objectContaining({ code: "TIMEOUT", message: "no answer" }) }]);
  });
});

/** Sends the cancellation of call 1 as the page does, as a message, and gives the time. */
function cancelSoon(session: Session): number {
  void nextTask().then(() => session.dispatcher.receive({ type: "cancel", id: 1 }));
  return performance.now();
}

/** Keeps the thread, as the engine does, and gives the time. */
function busyFor(milliseconds: number): number {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  return performance.now();
}
