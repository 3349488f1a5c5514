/** Starts the worker, or says why it cannot be started where this runs and what to do there. */

import { RerankerError } from "../error.js";
import { absolute, FILE_HINT } from "./places.js";
import { failed, here, type Policy, threads } from "./surroundings.js";
import { ThreadWorker } from "./thread-worker.js";
import { START_HINT } from "./worker-handle.js";

const OPAQUE_HINT =
  "A page without an origin, such as a sandboxed frame, needs workerUrl, and Access-Control-Allow-Origin on the wasm module and the model.";

const TRUSTED_HINT =
  "Under require-trusted-types-for pass workerUrl; trusted-types, if there, must list tabrank, with 'allow-duplicates' where this package is on the page twice.";

const ELSEWHERE_HINT =
  "This package's scripts come from another origin than the page, and no browser starts a worker from there: pass workerUrl, the address of a script of the page's own that imports worker.js, or worker.js's own where worker-src allows blob:.";

const THREAD_HINT = "In Node leave workerUrl out, or name worker.js by a file: address.";

export function startWorker(given: string | URL | undefined): Worker {
  try {
    if (typeof Worker === "undefined") return startThread(given);
    // Bundlers look for this literal form.
    if (given === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    const url = absolute(given, "workerUrl");
    return isElsewhere(url) ? new Worker(trusted(importing(url))) : new Worker(trusted(url.href), { type: "module" });
  } catch (cause) {
    if (cause instanceof RerankerError) throw cause;
    throw failed(`the browser refused to start the worker (${cause instanceof Error ? cause.name : "unknown cause"})`, refusedHint(given, cause), cause);
  }
}

/** In Node. The script lies beside this one; the form that bundlers look for would have them copy it once more. */
function startThread(given: string | URL | undefined): Worker {
  const url = given === undefined ? `${import.meta.url.replace(/[^/]*$/, "")}worker.js` : given;
  return new ThreadWorker(threads()!, absolute(url, "workerUrl")) as unknown as Worker;
}

function refusedHint(given: string | URL | undefined, cause: unknown): string {
  if (typeof Worker === "undefined") return THREAD_HINT;
  if (here.location?.protocol === "file:") return FILE_HINT;
  if (here.origin === "null") return OPAQUE_HINT;
  if (given === undefined && isElsewhere(new URL(import.meta.url))) return ELSEWHERE_HINT;
  // Trusted types refuse with this error, origins and policies with another.
  return cause instanceof TypeError ? TRUSTED_HINT : START_HINT;
}

function isElsewhere({ protocol, origin }: URL): boolean {
  return /^https?:$/.test(protocol) && here.origin !== undefined && origin !== here.origin;
}

/**
 * A script of the page's own that runs one of another origin; worker-src has to allow blob: for it. No module: in a page without an origin Chromium starts none.
 * It is never revoked, since browsers read it at a time of their own.
 */
function importing({ href }: URL): string {
  return URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(href)})`], { type: "text/javascript" }));
}

let policy: Policy | undefined;

/** Pages under `require-trusted-types-for` start no worker from a plain address. The caller, who is the page itself, vouches for this one. */
function trusted(url: string): string {
  policy ??= here.trustedTypes?.createPolicy("tabrank", { createScriptURL: (address) => address });
  return policy ? policy.createScriptURL(url) : url;
}
