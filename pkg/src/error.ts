/** The one error class. `code` is stable, so callers can act on it; `hint` says what to do. A cancelled call rejects with the platform's AbortError instead. */

export type ErrorCode =
  | "INVALID_INPUT"
  | "INPUT_TOO_LARGE"
  | "CHECKPOINT_INVALID"
  | "CHECKPOINT_UNSUPPORTED"
  | "BUNDLE_INVALID"
  | "BUNDLE_VERSION"
  | "WEBGPU_UNAVAILABLE"
  | "DEVICE_REJECTED"
  | "DEVICE_LOST"
  | "NON_FINITE"
  | "ABORTED"
  | "INTERNAL"
  | "NETWORK"
  | "HTTP_STATUS"
  | "INTEGRITY_FAILED"
  | "OFFLINE_NOT_CACHED"
  | "OUT_OF_MEMORY"
  | "WORKER_FAILED"
  | "WASM_BLOCKED_BY_CSP"
  | "BUSY"
  | "DISPOSED";

/** An error as it crosses from the worker to the page. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
  hint?: string;
  retryable?: boolean;
  details?: ErrorDetails;
}

/** What a program may want to know about the cause. */
export interface ErrorDetails {
  url?: string;
  status?: number;
}

const CODES: Record<ErrorCode, { retryable: boolean; hint?: string }> = {
  INVALID_INPUT: { retryable: false },
  INPUT_TOO_LARGE: { retryable: false, hint: "Send less, or raise `limits` when loading." },
  CHECKPOINT_INVALID: { retryable: false, hint: "Check that the folder holds a whole, undamaged checkpoint." },
  CHECKPOINT_UNSUPPORTED: { retryable: false, hint: "Use a checkpoint of an architecture that the README lists." },
  BUNDLE_INVALID: { retryable: false, hint: "Convert the checkpoint again, and upload the bundle's folder as a whole." },
  BUNDLE_VERSION: { retryable: false, hint: "Use the version of tabrank that the bundle was made for, or convert the checkpoint again." },
  WEBGPU_UNAVAILABLE: { retryable: false, hint: 'Load with device "auto" or "cpu".' },
  DEVICE_REJECTED: { retryable: false, hint: 'This GPU computes wrong numbers. Load with device "auto" or "cpu".' },
  DEVICE_LOST: { retryable: true, hint: 'Call again, or load with device "auto" or "cpu".' },
  NON_FINITE: { retryable: false, hint: 'Load with device "cpu"; if that fails too, the checkpoint is damaged.' },
  ABORTED: { retryable: true },
  INTERNAL: { retryable: false, hint: "Please report it with the message; the next call starts afresh." },
  NETWORK: { retryable: true, hint: "Check the connection, that the server allows this origin (CORS), and that connect-src in the Content-Security-Policy allows the server." },
  HTTP_STATUS: { retryable: false, hint: "Check the address of the checkpoint's folder." },
  INTEGRITY_FAILED: { retryable: false, hint: "Check that the address serves the file itself." },
  OFFLINE_NOT_CACHED: { retryable: true, hint: "Load the model once while online." },
  OUT_OF_MEMORY: { retryable: false, hint: "Send fewer or shorter documents at a time, or use a smaller model." },
  WORKER_FAILED: { retryable: false },
  WASM_BLOCKED_BY_CSP: {
    retryable: false,
    hint: "Add 'wasm-unsafe-eval' to script-src in the Content-Security-Policy of the page, or of the response for worker.js.",
  },
  BUSY: { retryable: true, hint: "Wait for a call to end or abort one, or raise limits.queue." },
  DISPOSED: { retryable: false, hint: "Load a new Reranker." },
};

/** Whether a value is one of the stable codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(CODES, value);
}

/**
 * What this package throws, save for cancelled calls.
 *
 * @example
 * try {
 *   await reranker.rerank(query, documents);
 * } catch (error) {
 *   if (error instanceof RerankerError && error.retryable) showRetryButton(error.hint);
 * }
 */
export class RerankerError extends Error {
  override readonly name = "RerankerError";
  readonly code: ErrorCode;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  /** What to do about it. */
  readonly hint?: string;
  readonly details?: ErrorDetails;

  constructor(data: ErrorData, options?: { cause?: unknown }) {
    super(data.message, options);
    const known = CODES[data.code];
    const hint = data.hint ?? known.hint;
    this.code = data.code;
    this.retryable = data.retryable ?? known.retryable;
    if (hint !== undefined) this.hint = hint;
    if (data.details !== undefined) this.details = data.details;
  }
}
