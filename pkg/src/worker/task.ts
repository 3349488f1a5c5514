/** The worker's event loop has to run now and then, or no cancellation gets through. */

/** Milliseconds between two turns of the event loop. A cancellation is to be seen within 50, and a turn takes 15 microseconds. */
const INTERVAL = 8;

/** Gives the event loop its turns while a call runs. */
export class EventLoop {
  #last = -Infinity;

  /** Undefined where it had a turn a moment ago: callers ask thousands of times a second, and then need not wait. */
  turn(): Promise<void> | undefined {
    return performance.now() - this.#last < INTERVAL ? undefined : this.#run();
  }

  async #run(): Promise<void> {
    await nextTask();
    this.#last = performance.now();
  }
}

/** Lets the event loop run: messages that have arrived are handled before this resolves. A timer would wait four milliseconds each time. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
