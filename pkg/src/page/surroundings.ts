/** What there is where this runs: a page, a worker of some kind, a server. */

import { RerankerError } from "../error.js";
import { builtin } from "../node.js";

/** Names that only some places have. */
interface Surroundings {
  origin?: string;
  ServiceWorkerGlobalScope?: unknown;
  SharedWorkerGlobalScope?: unknown;
  trustedTypes?: TrustedTypes;
}

export const here = globalThis as typeof globalThis & Surroundings;

export interface Policy {
  createScriptURL(url: string): string;
}

interface TrustedTypes {
  createPolicy(name: string, rules: Policy): Policy;
}

export interface Thread {
  postMessage(message: unknown, transfer: readonly Transferable[]): void;
  terminate(): Promise<number>;
  on(event: "message" | "messageerror" | "error" | "exit", listener: (what: unknown) => void): void;
}

export interface Threads {
  Worker: new (url: URL) => Thread;
}

/** What makes threads, where there are any. */
export function threads(): Threads | undefined {
  return builtin<Threads>("worker_threads");
}

const PAGE_HINT = "Load in a page, and send it messages; in an extension that is an offscreen document (chrome.offscreen, reason WORKERS).";

const SERVER_HINT = "Load in a browser or in Node; where pages are rendered elsewhere on a server, once the component is mounted.";

/** Throws where there are no workers at all. */
export function requireWorkers(): void {
  if (typeof Worker !== "undefined") return;
  const place = here.ServiceWorkerGlobalScope ? "service worker" : here.SharedWorkerGlobalScope && "shared worker";
  if (place) throw failed(`a ${place} cannot start workers`, PAGE_HINT);
  if (!threads()) throw failed("there are no workers here", SERVER_HINT);
}

export function failed(message: string, hint: string, cause?: unknown): RerankerError {
  return new RerankerError({ code: "WORKER_FAILED", message, hint }, cause === undefined ? undefined : { cause });
}
