/** What a command fails with, and the exit code of each, as the native command has them. */

import { RerankerError } from "../index.js";
import { Unwritten } from "./host.js";

export class Failure extends Error {
  constructor(
    readonly exitCode: 2 | 65 | 66,
    message: string,
  ) {
    super(message);
  }
}

export const usage = (message: string): Failure => new Failure(2, message);
export const wrong = (message: string): Failure => new Failure(65, message);
export const unreadable = (message: string): Failure => new Failure(66, message);

/** Faults of the machine or of ours. */
const INTERNAL: readonly string[] = ["DEVICE_LOST", "DISPOSED", "INTERNAL", "OUT_OF_MEMORY", "TIMEOUT", "WASM_BLOCKED_BY_CSP", "WORKER_FAILED"];

export function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof Unwritten) return 74;
  return error instanceof RerankerError && !INTERNAL.includes(error.code) ? 65 : 70;
}
