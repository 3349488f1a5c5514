/** Fetches one file: with retries, with an end to stalled transfers, and with errors that name the address and the cause. */

import { type ErrorCode, RerankerError } from "../error.js";
import type { Bytes } from "../files.js";

/** More than this is never allocated for one file, whatever a server or a header says. */
export const FILE_CAP = 512 * 1024 * 1024;

const TRIES = 3;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const STALL = 30_000;

/** Runs a task again while its error may pass: up to three times in all, with growing pauses. */
export async function withRetries<T>(task: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await task();
    } catch (error) {
      if (failures === TRIES || !mayPass(error)) throw error;
      await pause(error, failures);
    }
  }
}

/** A response whose body is read on demand. */
export class Download {
  readonly url: string;
  readonly status: number;
  readonly isHtml: boolean;
  /** What the server says to tell this version of the file from others, as far as the page may read it. */
  readonly version: string | undefined;
  /** The commit that a hub serves the file from. */
  readonly commit: string | undefined;
  readonly #announced: number | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #stall: StallTimer;
  readonly #sink = new ByteSink();

  private constructor(response: Response, url: string, stall: StallTimer) {
    this.url = url;
    this.status = response.status;
    this.isHtml = /^text\/html/i.test(response.headers.get("content-type") ?? "");
    this.version = response.headers.get("etag") ?? response.headers.get("last-modified") ?? undefined;
    this.commit = /^[0-9a-f]{40,64}$/.exec(response.headers.get("x-repo-commit") ?? "")?.[0];
    this.#announced = announcedLength(response);
    this.#reader = response.body?.getReader();
    this.#stall = stall;
  }

  /** Asks for a file; resolves for every status that a retry would not change. */
  static async start(url: string, init: RequestInit): Promise<Download> {
    const stall = new StallTimer(url);
    const request = { credentials: "same-origin", referrerPolicy: "no-referrer", ...init, signal: stall.signal } as const;
    const response = await stall.guard(fetchFile(url, request));
    const error = statusError(url, response.status);
    if (!error.retryable) return new Download(response, url, stall);
    stall.abort();
    throw withPause(error, response.headers.get("retry-after"));
  }

  /** The first `length` bytes, or all of a shorter body; they are part of what {@link take} gives. */
  async peek(length: number): Promise<Bytes> {
    while (this.#sink.length < length && (await this.#pull(FILE_CAP)));
    return this.#sink.bytes();
  }

  /** The whole body, which must have `size` bytes where that is known. `onBytes` hears how many have come. */
  async take(size: number | undefined, onBytes: (received: number) => void): Promise<Bytes> {
    const expected = size ?? this.#announced;
    if (size !== undefined) this.#sink.reserve(size);
    do onBytes(this.#sink.length);
    while (await this.#pull(expected ?? FILE_CAP));
    if (expected !== undefined && this.#sink.length !== expected) throw this.#wrongLength(this.#sink.length, expected);
    return this.#sink.bytes();
  }

  /** Ends the transfer. */
  cancel(): void {
    this.#stall.abort();
  }

  async #pull(most: number): Promise<boolean> {
    const chunk = await this.#stall.guard(this.#reader?.read() ?? Promise.resolve({ done: true as const, value: undefined }));
    if (chunk.done) return false;
    const length = this.#sink.length + chunk.value.length;
    if (length > most) {
      this.cancel();
      throw length > FILE_CAP ? tooBig(this.url, length) : this.#wrongLength(length, most);
    }
    this.#sink.push(chunk.value);
    return true;
  }

  #wrongLength(found: number, expected: number): RerankerError {
    const message = `${this.url} sent ${found.toLocaleString("en")} bytes; expected ${expected.toLocaleString("en")}`;
    return new RerankerError({ code: "INTEGRITY_FAILED", message, retryable: true, details: { url: this.url } });
  }
}

/** An extension's own folder is no server: what it does not have fails as an unreachable one does. */
async function fetchFile(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (/^https?:/.test(url) || !(error instanceof TypeError)) throw error;
    return new Response(null, { status: 404 });
  }
}

export function statusError(url: string, status: number, hint?: string): RerankerError {
  const retryable = status === 429 || status >= 500;
  const message = `${url} answered with status ${status}`;
  return new RerankerError({ code: "HTTP_STATUS", message, retryable, details: { url, status }, ...(hint !== undefined && { hint }) });
}

export function tooBig(name: string, size: number): RerankerError {
  const message = `${name} has ${size.toLocaleString("en")} bytes; at most ${FILE_CAP.toLocaleString("en")} are loaded in a browser`;
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message, hint: "Use a smaller model." });
}

/** Pauses that servers asked for, in milliseconds. */
const askedPauses = new WeakMap<RerankerError, number>();

function withPause(error: RerankerError, retryAfter: string | null): RerankerError {
  const seconds = Number(retryAfter ?? Number.NaN);
  if (seconds >= 0) askedPauses.set(error, Math.min(seconds * 1000, LONGEST_PAUSE));
  return error;
}

function mayPass(error: unknown): error is RerankerError {
  return error instanceof RerankerError && error.retryable && error.code !== "OFFLINE_NOT_CACHED";
}

function pause(error: RerankerError, failures: number): Promise<void> {
  const jitter = 0.75 + Math.random() / 2;
  const length = askedPauses.get(error) ?? FIRST_PAUSE * 2 ** (failures - 1) * jitter;
  return new Promise((resolve) => setTimeout(resolve, length));
}

/** Content-Length counts the bytes on the wire; only a same-origin response shows whether these are compressed. */
function announcedLength(response: Response): number | undefined {
  const header = response.headers.get("content-length");
  if (header === null || response.type === "cors" || response.headers.has("content-encoding")) return undefined;
  const length = Number(header);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/** Grows as bytes come, so that no more is allocated than was sent; once a size is known and reserved, nothing is copied again. */
class ByteSink {
  length = 0;
  #buffer: Bytes = new Uint8Array(64 * 1024);

  reserve(size: number): void {
    if (size <= this.#buffer.length) return;
    const larger = new Uint8Array(size);
    larger.set(this.bytes());
    this.#buffer = larger;
  }

  push(chunk: Uint8Array): void {
    const length = this.length + chunk.length;
    if (length > this.#buffer.length) this.reserve(Math.max(length, 2 * this.#buffer.length));
    this.#buffer.set(chunk, this.length);
    this.length = length;
  }

  bytes(): Bytes {
    return this.#buffer.subarray(0, this.length);
  }
}

/** Ends a request that gives no byte for {@link STALL} while one is awaited, and names the address in what goes wrong. */
class StallTimer {
  readonly #controller = new AbortController();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort();
  }

  async guard<T>(step: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stall = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#error("NETWORK", "sent no byte for 30 seconds")), STALL);
    });
    try {
      return await Promise.race([step, stall]);
    } catch (cause) {
      this.abort();
      throw this.#explain(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #explain(cause: unknown): unknown {
    if (cause instanceof RerankerError) return cause;
    const isOffline = globalThis.navigator?.onLine === false;
    if (isOffline) return this.#error("OFFLINE_NOT_CACHED", "is not in this browser's storage, and the browser is offline", cause);
    return this.#error("NETWORK", "could not be fetched", cause);
  }

  #error(code: ErrorCode, what: string, cause?: unknown): RerankerError {
    return new RerankerError({ code, message: `${this.#url} ${what}`, details: { url: this.#url } }, { cause });
  }
}
