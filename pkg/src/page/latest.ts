/** Calls of which the newest counts, as while somebody types: each ends the one before it. */

import { linked } from "./linked.js";

export class Latest {
  #controller: AbortController | undefined;

  /** Ends the call before it. `signal` ends this one, as a newer call does. */
  async run<A>(signal: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<A>): Promise<A> {
    this.#controller?.abort(new DOMException("a newer call took its place", "AbortError"));
    const { controller, unlink } = linked(signal);
    this.#controller = controller;
    try {
      controller.signal.throwIfAborted();
      const answer = await call(controller.signal);
      // A newer call may have come while this answer was on its way to the caller.
      controller.signal.throwIfAborted();
      return answer;
    } finally {
      unlink();
    }
  }
}
