/**
 * Parts of a weight file on a server, each asked for once: by ranges where the server answers them, else out of one stream, of which what comes before its turn
 * is held until it is asked for.
 */

import type { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import { addressError, type Download, withRetries } from "./download.js";

export const MOVED_HINT = "Load again once the folder's files are all of one version.";

/** How a file is asked for. */
export interface Requests {
  /** All of it. */
  whole(): Promise<Download>;
  /** The bytes from `start` up to `end`; whatever the server answers. */
  range(start: number, end: number): Promise<Download>;
}

export class RemoteParts {
  /** Undefined until the server was asked for a range. */
  #answersRanges: Promise<boolean> | undefined;
  readonly #stream: StreamedParts;
  #received: number;

  /** `first` has the answer from which header and size are; it may be open still. `onBytes` hears how many bytes have come. */
  constructor(
    private readonly requests: Requests,
    private readonly size: number,
    private readonly first: { download: Download; isOpen: boolean; headerBytes: number },
    private readonly onBytes: (received: number) => void,
  ) {
    this.#received = first.headerBytes;
    this.#stream = new StreamedParts(requests, size, first.download.version, first.isOpen ? first.download : undefined, (bytes) => this.#count(bytes));
  }

  async read(start: number, end: number): Promise<Bytes> {
    if (this.#answersRanges === undefined) return this.#firstRead(start, end);
    return (await this.#answersRanges) ? withRetries(() => this.#range(start, end)) : this.#stream.read(start, end);
  }

  /** Ends what is on its way. */
  close(): void {
    this.#stream.close();
  }

  async #firstRead(start: number, end: number): Promise<Bytes> {
    const ranged = this.#range(start, end).catch((error: unknown) => {
      if (isChange(error)) throw error;
      return undefined;
    });
    this.#answersRanges = ranged.then((bytes) => bytes !== undefined);
    // Whoever reads next waits for it; what it fails with is told here.
    this.#answersRanges.catch(() => {});
    const bytes = await ranged;
    if (bytes) this.#stream.close();
    return bytes ?? this.#stream.read(start, end);
  }

  async #range(start: number, end: number): Promise<Bytes> {
    const download = await this.requests.range(start, end);
    try {
      requireRange(download, start, end, this.size);
      requireVersion(download, this.first.download.version);
      const before = this.#received;
      const bytes = await download.take(end - start, (received) => this.onBytes(before + received));
      this.#count(bytes.length);
      return bytes;
    } catch (error) {
      download.cancel();
      throw error;
    }
  }

  #count(bytes: number): void {
    this.#received = Math.min(this.#received + bytes, this.size);
    this.onBytes(this.#received);
  }
}

/** Bytes of a body that lie together. */
interface Piece {
  start: number;
  bytes: Bytes;
}

class StreamedParts {
  /** What has come and was not asked for yet, in order. */
  #held: Piece[] = [];
  /** How far the body was read. */
  #position = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly requests: Requests,
    private readonly size: number,
    private readonly version: string | undefined,
    private download: Download | undefined,
    private readonly onBytes: (bytes: number) => void,
  ) {}

  /** One after the other, since there is one body. */
  read(start: number, end: number): Promise<Bytes> {
    const reading = this.#turn.then(() => this.#read(start, end));
    this.#turn = reading.catch(() => {});
    return reading;
  }

  close(): void {
    this.download?.cancel();
    this.download = undefined;
  }

  async #read(start: number, end: number): Promise<Bytes> {
    await withRetries(() => this.#advance(end));
    return this.#taken(start, end);
  }

  /** A body that broke off is asked for anew, and what had come of it is passed over. */
  async #advance(end: number): Promise<void> {
    let at = this.download ? this.#position : 0;
    try {
      this.download ??= await this.requests.whole();
      requireVersion(this.download, this.version);
      while (this.#position < end) {
        const chunk = await this.download.chunk();
        if (!chunk) throw addressError("INTEGRITY_FAILED", this.download.url, `sent ${at.toLocaleString("en")} bytes; expected ${this.size.toLocaleString("en")}`, { retryable: true });
        this.#hold(at, chunk);
        at += chunk.length;
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #hold(start: number, chunk: Bytes): void {
    const fresh = chunk.subarray(Math.max(0, this.#position - start));
    if (fresh.length === 0) return;
    this.#held.push({ start: this.#position, bytes: fresh });
    this.#position += fresh.length;
    this.onBytes(fresh.length);
  }

  #taken(start: number, end: number): Bytes {
    const bytes = new Uint8Array(end - start);
    this.#held = this.#held.flatMap((piece) => {
      const from = Math.max(start, piece.start);
      const to = Math.min(end, piece.start + piece.bytes.length);
      if (from >= to) return [piece];
      bytes.set(part(piece, from, to).bytes, from - start);
      return [part(piece, piece.start, from), part(piece, to, piece.start + piece.bytes.length)].filter((rest) => rest.bytes.length > 0);
    });
    return bytes;
  }
}

function part({ start, bytes }: Piece, from: number, to: number): Piece {
  return { start: from, bytes: bytes.subarray(from - start, to - start) };
}

/** Without the header that says which part it is, an answer may be any. */
function requireRange({ status, headers, url }: Download, start: number, end: number, size: number): void {
  const found = headers.get("content-range");
  if (status === 206 && found?.replaceAll(" ", "") === `bytes${start}-${end - 1}/${size}`) return;
  throw addressError("INTEGRITY_FAILED", url, `answered with status ${status} and content-range ${found} where bytes ${start} to ${end - 1} of ${size} were asked for`, { retryable: true });
}

const changes = new WeakSet<RerankerError>();

function isChange(error: unknown): boolean {
  return typeof error === "object" && error !== null && changes.has(error as RerankerError);
}

function requireVersion(download: Download, version: string | undefined): void {
  if (download.version === version) return;
  const error = addressError("INTEGRITY_FAILED", download.url, "changed while it was fetched", { hint: MOVED_HINT });
  changes.add(error);
  throw error;
}
