import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Reranker } from "../../src/index.js";
import { WorkerClient } from "../../src/page/worker-client.js";
import type { FromWorker, LoadProgress } from "../../src/protocol.js";
import type { LoadOptions } from "../../src/types.js";
import { FakeEngine, fakeModule, INFO } from "../support/engine.js";
import { ok, pieces, safetensors } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { LoopWorker, ScriptedWorker, stubWorkers } from "../support/workers.js";

const SILENCE = 10_000;
const REQUEST = { query: "q", texts: ["a", "b", "c"], stages: [], base: 0, topK: 1, explain: false, profile: false };
const ANSWER = { scored: 0, unscored: 0, cost: { tokens: 0, pairs: 0 }, indices: new Uint32Array(), scores: new Float32Array(), ranks: new Uint32Array(), sameAs: new Uint32Array(), queryTruncated: false, truncated: new Uint8Array(), warnings: [], timings: { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0, stages: [] } };
const FATAL = ["DEVICE_LOST", "INTERNAL", "OUT_OF_MEMORY", "NON_FINITE", "TIMEOUT"] as const;

const live = () => ScriptedWorker.all.filter(({ terminated }) => !terminated);

beforeEach(() => {
  ScriptedWorker.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** What the page does. */
type Deed = { kind: "call" } | { kind: "abort"; which: number } | { kind: "stop" } | { kind: "none" };

/** What happens: the page acts, a worker, also one that was ended, says something, or time passes. */
type Step = Deed | { kind: "say"; worker: number; message: FromWorker } | { kind: "error"; worker: number } | { kind: "silence" };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Deed>({ kind: "call" }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("abort" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant<Deed>({ kind: "stop" }) },
);

const id = fc.integer({ min: 0, max: 3 });
const error = fc.constantFrom(...FATAL).map((code) => ({ code, message: code }));
const device = fc.constantFrom("cpu" as const, "webgpu" as const);
const progress: fc.Arbitrary<LoadProgress> = fc.record({ phase: fc.constantFrom("download" as const, "load" as const), loaded: fc.nat(9), total: fc.constant(9), fromCache: fc.boolean() });
const warning = fc.nat(3).map((code) => ({ code: `W${code}`, message: "" }));

const message: fc.Arbitrary<FromWorker> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<FromWorker>({ type: "started" }) },
  {
    weight: 4,
    arbitrary: fc.record({ device, warnings: fc.array(warning, { maxLength: 3 }) }).map((load): FromWorker => ({ type: "answer", id: 0, name: "load", answer: { ...load, simd: "simd128", model: INFO } })),
  },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map((call): FromWorker => ({ type: "answer", id: call, name: "rerank", answer: ANSWER })) },
  { weight: 2, arbitrary: fc.tuple(id, error).map(([call, failure]): FromWorker => ({ type: "failed", id: call, error: failure })) },
  { weight: 3, arbitrary: fc.tuple(id, fc.integer({ min: 1, max: 3 })).map(([call, done]): FromWorker => ({ type: "batch", id: call, done, total: 3 })) },
  { weight: 3, arbitrary: error.map((failure): FromWorker => ({ type: "fatal", error: failure })) },
  { weight: 1, arbitrary: progress.map((now): FromWorker => ({ type: "progress", progress: now })) },
  { weight: 1, arbitrary: warning.map((given): FromWorker => ({ type: "warning", warning: given })) },
  { weight: 1, arbitrary: fc.constantFrom<FromWorker>({ type: "trying-webgpu" }, { type: "alive" }) },
);

/** 0 is the newest worker. */
const worker = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: deed },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("say" as const), worker, message }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("error" as const), worker }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "silence" }) },
);

/** A page with a client, whose listeners do something of their own at each event. */
class Page {
  readonly client: WorkerClient;
  readonly #controllers: AbortController[] = [];
  readonly #deeds: Deed[];
  open = 0;
  events = 0;
  /** Events that should not have come. */
  wrong: string[] = [];
  isStopped = false;

  constructor(deeds: Deed[]) {
    this.#deeds = [...deeds];
    this.client = new WorkerClient({
      spawn: () => new ScriptedWorker() as unknown as Worker,
      load: { wasm: "https://host/tabrank.wasm", engine: "cpu", checkpoint: { kind: "files", files: {} }, device: "auto", convert: undefined, resume: false },
      queue: 4,
      silence: SILENCE,
      onProgress: () => this.#hears(),
      onWarning: () => this.#hears(),
    });
    this.#settles(this.client.load());
  }

  async take(step: Step): Promise<void> {
    const speaker = "worker" in step ? ScriptedWorker.all.at(-1 - step.worker) : undefined;
    if (step.kind === "say") speaker?.say(step.message);
    else if (step.kind === "error") speaker?.fail();
    else if (step.kind === "silence") await vi.advanceTimersByTimeAsync(SILENCE);
    else this.#do(step);
  }

  #do(deed: Deed): void {
    if (deed.kind === "call") this.#call();
    if (deed.kind === "abort") this.#controllers[deed.which]?.abort();
    if (deed.kind === "stop") this.stop();
  }

  stop(): void {
    this.isStopped = true;
    this.client.stop(new Error("stopped"));
  }

  #call(): void {
    const controller = new AbortController();
    this.#controllers.push(controller);
    let isSettled = false;
    let last = 0;
    const onProgress = ({ done }: { done: number }) => {
      if (isSettled || controller.signal.aborted) this.wrong.push("progress after the end");
      if (done <= last) this.wrong.push("progress that fell");
      last = done;
      this.#hears();
    };
    const call = this.client.call("rerank", REQUEST, { signal: controller.signal, onProgress });
    this.#settles(call.finally(() => (isSettled = true)));
  }

  #settles(promise: Promise<unknown>): void {
    this.open++;
    const settled = () => void this.open--;
    promise.then(settled, settled);
  }

  #hears(): void {
    if (this.isStopped) this.wrong.push("after the stop");
    this.events++;
    this.#do(this.#deeds.shift() ?? { kind: "none" });
  }
}

describe("whatever the page and its workers do, in whatever order, also from within its listeners", () => {
  test("there is one worker at most, none once it is stopped, and every promise settles", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), fc.array(deed, { maxLength: 8 }), async (steps, deeds) => {
        ScriptedWorker.all = [];
        const page = new Page(deeds);
        for (const next of steps) {
          await page.take(next);
          expect(live().length).toBeLessThanOrEqual(page.isStopped ? 0 : 1);
        }
        page.stop();
        const { events } = page;
        const spawned = ScriptedWorker.all.length;
        for (const old of ScriptedWorker.all) old.say({ type: "started" }, { type: "batch", id: 1, done: 9, total: 9 }, { type: "fatal", error: { code: "INTERNAL", message: "" } });
        await vi.advanceTimersByTimeAsync(2 * SILENCE);
        expect({ open: page.open, live: live().length, events: page.events, wrong: page.wrong }).toEqual({ open: 0, live: 0, events, wrong: [] });
        expect({ spawned: ScriptedWorker.all.length, timers: vi.getTimerCount() }).toEqual({ spawned, timers: 0 });
      }),
      { numRuns: 600 },
    );
  });
});

describe("an abort at any moment", () => {
  const WEIGHTS = safetensors(400);
  const PIECES = Array.from({ length: 8 }, (_, place) => WEIGHTS.slice((place * WEIGHTS.length) / 8, ((place + 1) * WEIGHTS.length) / 8));
  const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[]"), "model.safetensors": pieces(PIECES) };
  /** Turns of the event loop before the abort. */
  const MOMENTS = [...Array.from({ length: 24 }, (_, turn) => turn), 40, 80];
  const task = () => new Promise((resolve) => setTimeout(resolve));

  beforeEach(() => {
    vi.useRealTimers();
    stubSite(FILES);
  });

  /** Starts, lets the event loop turn so many times, aborts; gives what came of it by the end of that task, and the events that came after it. */
  async function abortedAfter(turns: number, start: (signal: AbortSignal, listen: () => void) => Promise<unknown>) {
    const stopping = new AbortController();
    let after = 0;
    let outcome: unknown = "still open";
    start(stopping.signal, () => (after += Number(stopping.signal.aborted))).then(
      () => (outcome = "done"),
      (error: Error) => (outcome = error.name),
    );
    for (let turn = 0; turn < turns; turn++) await task();
    stopping.abort();
    await task();
    const soon = outcome;
    for (let turn = 0; turn < 10; turn++) await task();
    return { soon, after };
  }

  test("of a load rejects it in the same task, ends the worker that it started, and nothing is heard after it", async () => {
    const outcomes = new Set<unknown>();
    for (const turns of MOMENTS) {
      const { urls: started } = stubWorkers(fakeModule());
      const ends = vi.spyOn(LoopWorker.prototype, "terminate");
      const load = (signal: AbortSignal, listen: () => void) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", signal, onProgress: listen, onWarning: listen, cache: "off" });
      const { soon, after } = await abortedAfter(turns, load);
      outcomes.add(soon);
      expect({ soon, after, ends: ends.mock.calls.length }).toEqual(soon === "done" ? { soon, after: 0, ends: 0 } : { soon: "AbortError", after: 0, ends: started.length });
      ends.mockRestore();
    }
    expect([...outcomes]).toEqual(["AbortError", "done"]);
  });

  test("of a call rejects it in the same task, nothing is heard after it, and the next one is right", async () => {
    const engine = new FakeEngine();
    engine.beforeText = async (_, pause) => void (await pause());
    stubWorkers(fakeModule(async () => engine));
    const reranker = await Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", cache: "off" });
    const outcomes = new Set<unknown>();
    for (const turns of MOMENTS) {
      const { soon, after } = await abortedAfter(turns, (signal, onProgress) => reranker.rerank("q", Array<string>(30).fill("text"), { signal, onProgress }));
      outcomes.add(soon);
      expect({ soon, after }).toEqual({ soon: soon === "done" ? "done" : "AbortError", after: 0 });
      expect((await reranker.rerank("q", ["a", "bb"])).results.map(({ index }) => index)).toEqual([1, 0]);
    }
    expect([...outcomes]).toEqual(["AbortError", "done"]);
    reranker.dispose();
  });
});

describe("a load that is aborted", () => {
  const controller = () => new AbortController();

  beforeEach(() => {
    vi.stubGlobal("location", { href: "https://host/app/" });
    vi.stubGlobal("Worker", ScriptedWorker);
  });

  const load = (options: LoadOptions) => Reranker.load({ "config.json": new Uint8Array() }, { wasmUrl: "/tabrank.wasm", ...options });
  const says: Record<string, (worker: ScriptedWorker) => void> = {
    "when a file could not be kept": (worker) => worker.say({ type: "started" }, { type: "warning", warning: { code: "CACHE_UNAVAILABLE", message: "" } }),
    "when there is no GPU": (worker) => worker.say({ type: "started" }, { type: "gpu", unavailable: "" }),
    "by the engine's own warnings": (worker) =>
      worker.say({ type: "started" }, { type: "answer", id: 0, name: "load", answer: { device: "cpu", simd: "simd128", model: INFO, warnings: [{ code: "A", message: "" }, { code: "B", message: "" }] } }),
  };

  test.each(Object.keys(says))("in onWarning, %s, leaves no worker behind and hears nothing more", async (moment) => {
    const stopping = controller();
    const warnings: string[] = [];
    const onWarning = ({ code }: { code: string }) => {
      warnings.push(code);
      stopping.abort();
    };
    const loading = load({ signal: stopping.signal, onWarning });
    loading.catch(() => {});
    says[moment]!(await ScriptedWorker.started());
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    expect({ live: live(), warnings: warnings.length, timers: vi.getTimerCount() }).toEqual({ live: [], warnings: 1, timers: 0 });
  });

  test.each(["compile", "download", "convert", "load", "check", "ready"] as const)("in onProgress, at %s, leaves no worker behind and hears nothing more", async (phase) => {
    const stopping = controller();
    const heard: string[] = [];
    const onProgress = (now: { phase: string }) => {
      heard.push(now.phase);
      if (now.phase === phase) stopping.abort();
    };
    const loading = load({ signal: stopping.signal, onProgress });
    loading.catch(() => {});
    await ScriptedWorker.started();
    for (const next of ["compile", "download", "convert", "load", "check"] as const) ScriptedWorker.last.say({ type: "progress", progress: { phase: next, loaded: 1, total: 1, fromCache: false } });
    ScriptedWorker.last.load();
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    expect(heard.at(-1)).toBe(phase);
    expect(live()).toEqual([]);
  });

  test("while its own options are read starts no worker", async () => {
    const stopping = controller();
    const options = {
      signal: stopping.signal,
      get headers() {
        stopping.abort();
        return {};
      },
    };
    await expect(Reranker.load("/model", options)).rejects.toMatchObject({ name: "AbortError" });
    expect(ScriptedWorker.all).toEqual([]);
  });

  test("is one that cannot be sent: no worker is left behind", async () => {
    vi.spyOn(ScriptedWorker.prototype, "postMessage").mockImplementation(() => {
      throw new DOMException("a function could not be cloned", "DataCloneError");
    });
    await expect(load({})).rejects.toMatchObject({ name: "DataCloneError" });
    expect(live()).toEqual([]);
  });
});
