/** The one error class. `code` is stable, so callers can act on it; `hint` says what to do. A cancelled call rejects with the platform's AbortError instead. */

export type ErrorCode =
  | "INVALID_INPUT"
  | "INPUT_TOO_LARGE"
  | "MODEL_MISMATCH"
  | "NOT_CACHED"
  | "CHECKPOINT_INVALID"
  | "CHECKPOINT_UNSUPPORTED"
  | "BUNDLE_INVALID"
  | "BUNDLE_VERSION"
  | "INDEX_INVALID"
  | "WEBGPU_UNAVAILABLE"
  | "DEVICE_REJECTED"
  | "DEVICE_LOST"
  | "NON_FINITE"
  | "ABORTED"
  | "INTERNAL"
  | "TIMEOUT"
  | "NETWORK"
  | "HTTP_STATUS"
  | "INTEGRITY_FAILED"
  | "OFFLINE_NOT_CACHED"
  | "CACHE_CORRUPT_OFFLINE"
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
  /** Places of documents in the list that was given. */
  documents?: number[];
}

/** The hints of what the page throws itself; the worker's errors bring theirs. */
const CODES: Record<ErrorCode, { retryable: boolean; hint?: string }> = {
  INVALID_INPUT: { retryable: false },
  INPUT_TOO_LARGE: { retryable: false, hint: "Send less, or raise `limits` when loading." },
  MODEL_MISMATCH: { retryable: false, hint: "Encode the documents with the model that reranks, in the same version and with the same settings, and name it by `embeddingId`." },
  NOT_CACHED: { retryable: false, hint: "Send the texts, or the embeddings, of the documents that details.documents names." },
  CHECKPOINT_INVALID: { retryable: false },
  CHECKPOINT_UNSUPPORTED: { retryable: false },
  BUNDLE_INVALID: { retryable: false },
  BUNDLE_VERSION: { retryable: false },
  INDEX_INVALID: { retryable: false },
  WEBGPU_UNAVAILABLE: { retryable: false },
  DEVICE_REJECTED: { retryable: false },
  DEVICE_LOST: { retryable: true },
  NON_FINITE: { retryable: false },
  ABORTED: { retryable: true },
  INTERNAL: { retryable: false, hint: "Please report it with the message; the next call starts afresh." },
  TIMEOUT: { retryable: true },
  NETWORK: { retryable: true },
  HTTP_STATUS: { retryable: false },
  INTEGRITY_FAILED: { retryable: false },
  OFFLINE_NOT_CACHED: { retryable: true },
  CACHE_CORRUPT_OFFLINE: { retryable: true },
  OUT_OF_MEMORY: { retryable: false, hint: "Send fewer or shorter documents at a time, or use a smaller model." },
  WORKER_FAILED: { retryable: false },
  WASM_BLOCKED_BY_CSP: { retryable: false },
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
