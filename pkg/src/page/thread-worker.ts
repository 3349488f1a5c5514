/** A thread of Node's as the page takes it: a worker of the web's. */

import type { Thread, Threads } from "./surroundings.js";

export class ThreadWorker extends EventTarget {
  readonly #thread: Thread;

  constructor({ Worker }: Threads, url: URL) {
    super();
    this.#thread = new Worker(url);
    this.#thread.on("message", (data) => this.dispatchEvent(new MessageEvent("message", { data })));
    this.#thread.on("messageerror", () => this.dispatchEvent(new Event("messageerror")));
    this.#thread.on("error", (error) => this.#failed(error instanceof Error ? error.message : ""));
    this.#thread.on("exit", () => this.#failed("the thread ended"));
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#thread.postMessage(message, transfer);
  }

  terminate(): void {
    void this.#thread.terminate();
  }

  #failed(message: string): void {
    this.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message }));
  }
}
