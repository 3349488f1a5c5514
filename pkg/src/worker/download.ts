/** Fetches one file: with retries, with an end to stalled transfers, and with errors that name the address and the cause. */

import { type ErrorCode, RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import { within } from "../patience.js";
import { redacted } from "../redacted.js";
import { tooLarge } from "./file-limits.js";

/** A page's own server may ask for the visitor's session; no other host hears of it, and none of the page. */
export const MANNERS = { credentials: "same-origin", referrerPolicy: "no-referrer" } as const;

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

/** Credentials that the caller gave are the only ones: with its own the browser would ask the visitor for others where these are refused, and wait. */
function credentialsFor(headers: HeadersInit | undefined): RequestCredentials {
  return new Headers(headers).has("authorization") ? "omit" : MANNERS.credentials;
}

/** A response whose body is read on demand. */
export class Download {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** The request was passed on to another address. */
  readonly redirected: boolean;
  /** What the server says to tell this version of the file from others, as far as the page may read it. */
  readonly version: string | undefined;
  /** The commit that a hub serves the file from. */
  readonly commit: string | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #stall: StallTimer;
  readonly #sink = new ByteSink();

  private constructor(response: Response, url: string, stall: StallTimer) {
    this.url = url;
    this.status = response.status;
    this.headers = response.headers;
    this.redirected = response.redirected;
    this.version = versionOf(response.headers);
    this.commit = /^[0-9a-f]{40,64}$/.exec(response.headers.get("x-repo-commit") ?? "")?.[0];
    this.#reader = response.body?.getReader();
    this.#stall = stall;
  }

  /** Asks for a file; resolves for every status that a retry would not change. */
  static async start(url: string, init: RequestInit): Promise<Download> {
    const stall = new StallTimer(url);
    const response = await stall.guard(fetchFile(url, { ...MANNERS, ...init, credentials: credentialsFor(init.headers), signal: stall.signal }));
    const error = statusError(url, response.status);
    if (!error.retryable) return new Download(response, url, stall);
    stall.abort();
    throw withPause(error, response.headers.get("retry-after"));
  }

  /** The first `length` bytes, or all of a shorter body; they are part of what {@link take} gives. */
  async peek(length: number): Promise<Bytes> {
    while (this.#sink.length < length && (await this.#pull()));
    return this.#sink.bytes();
  }

  /** The whole body, of `size` bytes. `onBytes` hears how many have come. No length that a server announces counts: it may be that of compressed bytes. */
  async take(size: number, onBytes: OnReceived): Promise<Bytes> {
    this.#sink.reserve(size);
    if (await this.#runsOver(size, onBytes)) throw this.#wrongLength("more", size);
    if (this.#sink.length < size) throw this.#wrongLength(this.#sink.length.toLocaleString("en"), size);
    return this.#sink.bytes();
  }

  /** The whole body, of `most` bytes at most. */
  async takeUpTo(most: number, name: string, onBytes: OnReceived): Promise<Bytes> {
    if (await this.#runsOver(most, onBytes)) throw tooLarge(name, undefined, most);
    return this.#sink.bytes();
  }

  /** What has come of the body and was not given yet; undefined at its end. */
  async chunk(): Promise<Bytes | undefined> {
    return this.#sink.length > 0 || (await this.#pull()) ? this.#sink.drain() : undefined;
  }

  /** Ends the transfer. */
  cancel(): void {
    this.#stall.abort();
  }

  /** Reads to the end, or to the chunk that goes past `most`. */
  async #runsOver(most: number, onBytes: OnReceived): Promise<boolean> {
    do {
      if (this.#sink.length > most) {
        this.cancel();
        return true;
      }
      onBytes(this.#sink.length);
    } while (await this.#pull());
    return false;
  }

  async #pull(): Promise<boolean> {
    const chunk = await this.#stall.guard(this.#reader?.read() ?? Promise.resolve({ done: true as const, value: undefined }));
    if (!chunk.done) this.#sink.push(chunk.value);
    return !chunk.done;
  }

  #wrongLength(found: string, expected: number): RerankerError {
    return addressError("INTEGRITY_FAILED", this.url, `sent ${found} bytes; expected ${expected.toLocaleString("en")}`, { retryable: true });
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

/** Hears how many bytes of a body have come. */
type OnReceived = (received: number) => void;

interface More {
  hint?: string | undefined;
  retryable?: boolean;
  status?: number;
  cause?: unknown;
}

/** An error about an address, which it names without the secrets in it. */
export function addressError(code: ErrorCode, address: string, what: string, { hint, retryable, status, cause }: More = {}): RerankerError {
  const url = redacted(address);
  const details = { url, ...(status !== undefined && { status }) };
  const data = { code, message: `${url} ${what}`, details, ...(hint !== undefined && { hint }), ...(retryable !== undefined && { retryable }) };
  return new RerankerError(data, { cause });
}

/** Statuses that may change by themselves: none of them says that there is no such file. */
const PASSING = [408, 425, 429];

export function statusError(url: string, status: number, hint?: string): RerankerError {
  const retryable = PASSING.includes(status) || status >= 500;
  return addressError("HTTP_STATUS", url, `answered with status ${status}`, { hint, retryable, status });
}

/** Pauses that servers asked for, in milliseconds. */
const askedPauses = new WeakMap<RerankerError, number>();

function withPause(error: RerankerError, retryAfter: string | null): RerankerError {
  const length = retryAfter === null ? Number.NaN : /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
  if (length >= 0) askedPauses.set(error, Math.min(length, LONGEST_PAUSE));
  return error;
}

function mayPass(error: unknown): error is RerankerError {
  return error instanceof RerankerError && error.retryable && error.code !== "OFFLINE_NOT_CACHED";
}

function pause(error: RerankerError, failures: number): Promise<void> {
  const jitter = 1 + Math.random();
  const length = askedPauses.get(error) ?? FIRST_PAUSE * 2 ** (failures - 1) * jitter;
  return new Promise((resolve) => setTimeout(resolve, length));
}

function versionOf(headers: Headers): string | undefined {
  const date = headers.get("last-modified");
  return headers.get("etag") ?? (date === null ? undefined : `${date}, ${headers.get("content-length")}`);
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

  /** Gives all bytes away. */
  drain(): Bytes {
    const bytes = this.#buffer.slice(0, this.length);
    this.length = 0;
    return bytes;
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
    try {
      return await within(STALL, step, () => this.#error("NETWORK", "sent no byte for 30 seconds", undefined, stallHint(this.#url)));
    } catch (cause) {
      this.abort();
      throw this.#explain(cause);
    }
  }

  #explain(cause: unknown): unknown {
    if (cause instanceof RerankerError) return cause;
    const isOffline = globalThis.navigator?.onLine === false;
    if (isOffline) return this.#error("OFFLINE_NOT_CACHED", "is not in this browser's storage, and the browser is offline", cause);
    return this.#error("NETWORK", "could not be fetched", cause);
  }

  #error(code: ErrorCode, what: string, cause?: unknown, hint?: string): RerankerError {
    return addressError(code, this.#url, what, { cause, hint: isMixedContent(this.#url) ? MIXED_HINT : hint });
  }
}

const MIXED_HINT = "A page on https may fetch from https alone: serve the files so.";

const LOGIN_HINT = "Check the connection. If the server asks for a name and a password, the browser may be waiting for the visitor: pass credentials as `headers`.";

/** Of its own origin a page may see a browser's login dialog. */
function stallHint(url: string): string | undefined {
  return new URL(url).origin === globalThis.origin ? LOGIN_HINT : undefined;
}

function isMixedContent(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && globalThis.origin?.startsWith("https:") && !/^(localhost|127\.[\d.]+|\[::1\]|.+\.localhost)$/.test(hostname);
}
