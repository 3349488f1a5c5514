/** Puts the caller's places and names where the engine has those of its own lists. */

import { RerankerError } from "../error.js";
import type { Candidate } from "./candidates.js";
import { nameOf } from "./input.js";

/** Documents have an id already where the page itself has named them. */
export function withNames(message: string, left: readonly Candidate[]): string {
  return message.replace(/\bdocuments\[(\d+)\](?! \(id )/g, (found, place) => {
    const candidate = left[Number(place)];
    return candidate ? nameOf(candidate.index, candidate.id) : found;
  });
}

/** An error with another message. */
export function reworded(error: unknown, reword: (message: string) => string): unknown {
  if (!(error instanceof RerankerError)) return error;
  const { code, hint, retryable, details, cause } = error;
  return new RerankerError({ code, message: reword(error.message), retryable, ...(hint !== undefined && { hint }), ...(details && { details }) }, { cause });
}
