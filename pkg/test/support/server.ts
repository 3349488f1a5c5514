/** A server of files, with faults by script. */

import { vi } from "vitest";

export type Answer = (init?: RequestInit) => Response | Promise<Response>;

export class FakeServer {
  static last: FakeServer | undefined;
  readonly requests: string[] = [];
  readonly inits: RequestInit[] = [];
  readonly urls: string[] = [];
  /** Files that were asked for in a way that shows nothing of the answer. */
  readonly probes: string[] = [];
  readonly #files: Record<string, Answer[]>;

  /** Several answers to one file are given in turn, the last of them ever after. */
  constructor(files: Record<string, Answer | Answer[]>) {
    this.#files = Object.fromEntries(Object.entries(files).map(([name, answers]) => [name, [answers].flat()]));
    FakeServer.last = this;
    vi.stubGlobal("origin", "https://host");
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("fetch", (url: string, init?: RequestInit) => this.#fetch(url, init ?? {}));
  }

  /** Files whose bytes were taken, each time that they were: of other answers no more than the start is read. */
  get taken(): string[] {
    return this.requests.filter((_, place) => !this.inits[place]!.signal!.aborted);
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const name = new URL(url).pathname.replace(/^\/model\//, "");
    const answers = this.#files[name];
    if (init.mode === "no-cors") return this.#probe(name, answers);
    this.requests.push(name);
    this.urls.push(url);
    this.inits.push(init);
    const answer = answers && (answers.length > 1 ? answers.shift()! : answers[0]!);
    return answer ? answer(init) : new Response("not found", { status: 404 });
  }

  async #probe(name: string, answers: Answer[] | undefined): Promise<Response> {
    this.probes.push(name);
    return answers?.[0] === networkError ? networkError() : new Response();
  }
}

/** With an entity tag, as servers of files send one. */
export const ok = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = { etag: etagOf(body) }): Answer => () => new Response(body, { headers });
export const status = (code: number, headers: Record<string, string> = {}): Answer => () => new Response("no", { status: code, headers });
export const html: Answer = () => new Response("<!doctype html><title>app</title>", { headers: { "content-type": "text/html; charset=utf-8" } });
/** A page at another address than the one that was asked for. */
export const passedOn: Answer = () => Object.defineProperty(new Response("<!doctype html><title>Log in</title>"), "redirected", { value: true });
/** Nothing answers. */
export const networkError: Answer = () => Promise.reject(new TypeError("Failed to fetch"));

/** Something answers, without the headers that let a page see it. */
export const blocked: Answer = () => Promise.reject(new TypeError("Failed to fetch"));

/** As {@link ok}, of a server that answers ranges; `change` makes of an answer to one what a faulty server would. */
export function ranged(body: Uint8Array<ArrayBuffer>, change: (response: Response, range: string) => Response | Promise<Response> = (response) => response): Answer {
  return (init) => {
    const range = new Headers(init?.headers).get("range");
    if (range === null) return ok(body)();
    const [start = 0, last = 0] = range.match(/\d+/g)!.map(Number);
    const headers = { etag: etagOf(body), "content-range": `bytes ${start}-${last}/${body.length}` };
    return change(new Response(body.slice(start, last + 1), { status: 206, headers }), range);
  };
}

export function etagOf(body: string | Uint8Array): string {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return `"${bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length)}"`;
}

/** Lets pauses between tries pass a hundred times as fast. */
export function hurry(): void {
  const { setTimeout } = globalThis;
  vi.stubGlobal("setTimeout", (task: () => void, delay = 0) => setTimeout(task, delay / 100));
}

/** A body that comes in pieces; an error among them breaks it off, `null` leaves it hanging. */
export function pieces(parts: (Uint8Array | Error | null)[], headers: Record<string, string> = {}): Answer {
  return () => new Response(streamOf([...parts]), { headers });
}

function streamOf(parts: (Uint8Array | Error | null)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const part = parts.shift();
      if (part === null) return new Promise(() => {});
      if (part === undefined) controller.close();
      else if (part instanceof Error) controller.error(part);
      else controller.enqueue(part);
      return undefined;
    },
  });
}

/** A safetensors file of one tensor with this many bytes of data. */
export function safetensors(dataBytes: number): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(JSON.stringify({ weight: { dtype: "U8", shape: [dataBytes], data_offsets: [0, dataBytes] } }));
  const file = new Uint8Array(8 + header.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  return file.fill(7, 8 + header.length);
}
