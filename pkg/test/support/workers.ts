/** Workers without threads. */

import { vi } from "vitest";
import type { CallMessage, FromWorker, ToWorker } from "../../src/protocol.js";
import { Dispatcher } from "../../src/worker/dispatcher.js";
import { nextTask } from "../../src/worker/task.js";
import { type FakeCheckpoint, fakeDecoder, type FakeModule, INFO } from "./engine.js";

/** A worker that the test speaks for. */
export class ScriptedWorker extends EventTarget {
  static all: ScriptedWorker[] = [];
  readonly received: ToWorker[] = [];
  terminated = false;

  constructor() {
    super();
    ScriptedWorker.all.push(this);
  }

  static get last(): ScriptedWorker {
    return ScriptedWorker.all.at(-1)!;
  }

  /** What a load needs of the package has come, and its worker is there. */
  static async started(): Promise<ScriptedWorker> {
    while (ScriptedWorker.all.length === 0) await nextTask();
    return ScriptedWorker.last;
  }

  get calls(): CallMessage[] {
    return this.received.filter((message) => message.type === "call");
  }

  postMessage(message: ToWorker): void {
    this.received.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  say(...messages: FromWorker[]): void {
    for (const data of messages) this.dispatchEvent(new MessageEvent("message", { data }));
  }

  /** Answers the load. */
  load(device: "cpu" | "webgpu" = "cpu"): void {
    this.say({ type: "started" }, { type: "answer", id: 0, name: "load", answer: { device, simd: "simd128", model: INFO, warnings: [] } });
  }

  answerExplain(id: number, score: number): void {
    this.say({ type: "answer", id, name: "explain", answer: { score, queryTruncated: false, truncated: false, matches: [] } });
  }

  fail(message = ""): void {
    this.dispatchEvent(Object.assign(new Event("error"), { message }));
  }
}

/** A worker with the real dispatcher over a fake engine; messages are cloned and arrive later, as real ones do. */
export class LoopWorker extends EventTarget {
  readonly #dispatcher: Dispatcher<FakeCheckpoint>;
  #terminated = false;
  /** What crossed to the page. */
  static log: FromWorker[] = [];

  constructor(module: FakeModule) {
    super();
    this.#dispatcher = new Dispatcher({ cpu: module, both: module }, (message, transfer) => this.#deliver(message, transfer), fakeDecoder());
  }

  postMessage(message: ToWorker, transfer: Transferable[] = []): void {
    const copy = structuredClone(message, { transfer });
    setTimeout(() => this.#terminated || this.#dispatcher.receive(copy));
  }

  terminate(): void {
    this.#terminated = true;
  }

  #deliver(message: FromWorker, transfer: Transferable[]): void {
    const data = message.type === "compiled" ? message : structuredClone(message, { transfer });
    LoopWorker.log.push(data);
    setTimeout(() => this.#terminated || this.dispatchEvent(new MessageEvent("message", { data })));
  }
}

/** Makes `new Worker` give such workers, one module each, the last for all that follow. */
export function stubWorkers(...modules: FakeModule[]): { urls: string[] } {
  const urls: string[] = [];
  LoopWorker.log = [];
  vi.stubGlobal(
    "Worker",
    class extends LoopWorker {
      constructor(url: URL | string) {
        super(modules[Math.min(urls.length, modules.length - 1)]!);
        urls.push(String(url));
      }
    },
  );
  return { urls };
}
