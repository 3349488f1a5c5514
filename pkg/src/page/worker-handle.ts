/** One worker's life: it starts, answers, and dies once. What it says after its end is not heard. */

import type { ErrorData } from "../error.js";
import type { FromWorker, ToWorker } from "../protocol.js";
import { redactedText } from "../redacted.js";

/** A script that does not run within this time never will. */
const START_TIMEOUT = 30_000;

const START_HINT =
  'Check that worker.js is served as JavaScript from the page\'s own origin and that worker-src in the Content-Security-Policy allows it, or pass workerUrl. ' +
  'With the Vite dev server add optimizeDeps: { exclude: ["tabrank"] } to its configuration.';

export interface Death {
  error: ErrorData;
  /** False when the script never ran, so that another try would end alike. */
  started: boolean;
  /** The call that the worker was at, where it could tell. */
  id?: number | undefined;
}

export interface HandleEvents {
  message(message: Exclude<FromWorker, { type: "started" | "fatal" }>): void;
  death(death: Death): void;
}

export class WorkerHandle {
  readonly #worker: Worker;
  readonly #events: HandleEvents;
  readonly #timeout: ReturnType<typeof setTimeout>;
  #started = false;
  #ended = false;

  constructor(worker: Worker, events: HandleEvents) {
    this.#worker = worker;
    this.#events = events;
    this.#timeout = setTimeout(() => this.#die(notStarted("its script did not run within 30 seconds")), START_TIMEOUT);
    worker.addEventListener("message", (event: MessageEvent<FromWorker>) => this.#receive(event.data));
    worker.addEventListener("messageerror", () => this.#die({ code: "WORKER_FAILED", message: "a message from the worker could not be read" }));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#die(this.#started ? { code: "INTERNAL", message: "the worker failed" } : notStarted(redactedText(event.message || "its script could not be loaded")));
    });
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timeout);
    this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    if (this.#ended) return;
    if (message.type === "fatal") return this.#die(message.error, message.id);
    if (message.type !== "started") return this.#events.message(message);
    this.#started = true;
    clearTimeout(this.#timeout);
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
