/** A worker that is busy with another call, or begins anew after a death, answers no call in time: then the page does, with what it has heard. */

import { LONGEST } from "../patience.js";
import type { RerankAnswer } from "../protocol.js";
import { linked } from "./linked.js";
import type { ScoreBoard } from "./score-board.js";

/** Milliseconds that a worker is waited for when the time is over: it ends its layer, and has embeddings and explanations to give that the page has not. */
const GRACE = 100;

export async function inTime<T, A extends { answer: RerankAnswer }>(until: number | undefined, board: ScoreBoard<T>, signal: AbortSignal, call: (signal: AbortSignal) => Promise<A>): Promise<A | { answer: RerankAnswer; counts?: undefined }> {
  if (until === undefined) return call(signal);
  const { controller, unlink } = linked(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<{ answer: RerankAnswer }>((resolve) => {
    timer = setTimeout(() => resolve({ answer: board.answer() }), Math.min(Math.max(until - Date.now(), 0) + GRACE, LONGEST));
  });
  try {
    return await Promise.race([call(controller.signal), late]);
  } finally {
    clearTimeout(timer);
    controller.abort();
    unlink();
  }
}
