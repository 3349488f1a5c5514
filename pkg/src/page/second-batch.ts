/** What does a batch of a call take, and how long is the rest? The first one's code is cold and tells little, so the second is measured. */

import type { CallProgress } from "../types.js";

export interface Batch {
  tokens: number;
  milliseconds: number;
  /** Milliseconds that what is left of the call takes at this pace. */
  left: number;
}

/** Hears of the progress of a call of so many tokens that one worker has begun. */
export function secondBatch(tokens: number, measured: (batch: Batch) => void): (progress: CallProgress) => void {
  let first: { done: number; at: number } | undefined;
  let isMeasured = false;
  return ({ done, total }) => {
    const at = performance.now();
    if (!first) {
      first = { done, at };
      return;
    }
    if (isMeasured) return;
    isMeasured = true;
    const [milliseconds, documents] = [at - first.at, done - first.done];
    measured({ tokens: (tokens * documents) / total, milliseconds, left: (milliseconds * (total - done)) / documents });
  };
}
