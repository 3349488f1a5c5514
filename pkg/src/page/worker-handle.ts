/** One worker's life: it starts, answers, and dies once. What it says after its end is not heard, and when it owes an answer and says nothing it is dead. */

import type { ErrorData } from "../error.js";
import { Patience } from "../patience.js";
import type { FromWorker, ToWorker } from "../protocol.js";
import { redactedText } from "../redacted.js";

export const START_HINT =
  'Check that worker.js is served as JavaScript from the page\'s own origin and that worker-src in the Content-Security-Policy allows it, or pass workerUrl. ' +
  'With the dev server of Vite 7 or older add optimizeDeps: { exclude: ["tabrank"] } to its configuration.';

export interface Death {
  error: ErrorData;
  /** False when the script never ran, so that another try would end alike. */
  started: boolean;
  /** The call that the worker was at, where it could tell. */
  id?: number | undefined;
}

/** What a worker says that is not about its own life. */
export type News = Exclude<FromWorker, { type: "started" | "alive" | "fatal" }>;

export interface HandleEvents {
  message(message: News): void;
  death(death: Death): void;
}

export class WorkerHandle {
  readonly #worker: Worker;
  readonly #silence: number;
  readonly #events: HandleEvents;
  /** Calls that wait for an answer. */
  readonly #owed = new Set<number>();
  #patience: Patience | undefined;
  #started = false;
  #ended = false;

  /** `silence`: milliseconds without a sign of life that a worker with work is given. */
  constructor(worker: Worker, silence: number, events: HandleEvents) {
    this.#worker = worker;
    this.#silence = silence;
    this.#events = events;
    worker.addEventListener("message", (event: MessageEvent<FromWorker>) => this.#receive(event.data));
    worker.addEventListener("messageerror", () => this.#die({ code: "WORKER_FAILED", message: "a message from the worker could not be read" }));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#die(this.#started ? { code: "INTERNAL", message: "the worker failed" } : notStarted(redactedText(event.message || "its script could not be loaded")));
    });
  }

  /** Throws where the message cannot cross. */
  send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
    if (message.type === "call") this.#owed.add(message.id);
    else this.#owed.delete(message.id);
    this.#watch();
  }

  end(): void {
    this.#ended = true;
    this.#owed.clear();
    this.#watch();
    this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    if (this.#ended) return;
    this.#patience?.renew();
    if (message.type === "fatal") return this.#die(message.error, message.id);
    if (message.type === "started") this.#started = true;
    if (message.type === "started" || message.type === "alive") return;
    if (message.type === "answer" || message.type === "failed") this.#owed.delete(message.id);
    this.#watch();
    this.#events.message(message);
  }

  /** A worker that owes nothing may be silent. */
  #watch(): void {
    if (this.#owed.size > 0) {
      this.#patience ??= new Patience(this.#silence, () => this.#die(this.#frozen()));
      return;
    }
    this.#patience?.stop();
    this.#patience = undefined;
  }

  #frozen(): ErrorData {
    const time = `${this.#silence / 1000} seconds`;
    if (!this.#started) return notStarted(`its script did not run within ${time}`);
    return { code: "WORKER_FAILED", message: `the worker gave no sign of life for ${time}`, hint: "Call again; on a machine that is slow, or in a debugger, raise limits.silence." };
  }

  #die(error: ErrorData, id?: number): void {
    if (this.#ended) return;
    this.end();
    this.#events.death({ error, started: this.#started, id });
  }
}

function notStarted(cause: string): ErrorData {
  return { code: "WORKER_FAILED", message: `the worker could not be started: ${cause}`, hint: START_HINT };
}
