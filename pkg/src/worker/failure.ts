/** What the worker says of a thing that was thrown, and whether the wasm instance lives on. */

import { type ErrorCode, type ErrorData, isErrorCode, RerankerError } from "../error.js";
import { redactedText } from "../redacted.js";

/** Panics of Rust's own that say that a size is out of reach, or that the memory could not grow. */
const FAILED_ALLOCATION = /\bcapacity overflow\b|\bmemory allocation of \d+ bytes failed\b/;

/** After a panic, a trap or an overflown stack the instance's state is undefined, and only a new worker helps. */
export function isDeath(error: unknown, panic: string | undefined): boolean {
  return panic !== undefined || error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

export function errorData(error: unknown, panic: string | undefined): ErrorData {
  if (panic !== undefined) return { code: FAILED_ALLOCATION.test(panic) ? "OUT_OF_MEMORY" : "INTERNAL", message: `the engine panicked: ${withoutQuotes(panic)}` };
  if (error instanceof RerankerError) return fromOurs(error);
  if (!(error instanceof Error)) return { code: "INTERNAL", message: "something that is no error was thrown" };
  if (isOutOfMemory(error)) return { code: "OUT_OF_MEMORY", message: "the engine stopped without a message, most likely for want of memory" };
  const code = codeOf(error);
  return code ? { code, message: error.message } : { code: "INTERNAL", message: withoutQuotes(redactedText(`${error.name}: ${error.message}`)) };
}

/** The stable code of a thrown thing, if it has one. */
export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof Error && "code" in error && isErrorCode(error.code) ? error.code : undefined;
}

function fromOurs({ code, message, retryable, hint, details }: RerankerError): ErrorData {
  return { code, message, retryable, ...(hint !== undefined && { hint }), ...(details && { details }) };
}

/** Rust reports no panic when an allocation fails, it only traps; a failed allocation of JavaScript's own is a RangeError, as is a full stack. */
function isOutOfMemory(error: Error): boolean {
  if (error instanceof WebAssembly.RuntimeError) return /unreachable/i.test(error.message);
  return error instanceof RangeError && !error.message.includes("call stack");
}

/** Panic messages quote the string they were about, which may be a user's text: quotes are cut out, greedily since a text may hold quotes itself. */
export function withoutQuotes(message: string): string {
  return message.replace(/(\bof|slicing|inside) [`'][^]*[`']/g, "$1 (text)").replace(/"[^]*"/g, "(text)").slice(0, 500);
}
