/** What a page needs of this package from its first call on: it is fetched then, so that an import costs little. */

import { RerankerError } from "../error.js";
import { isA } from "./invalid.js";

type Rest = typeof import("./calls.js");

const HINT = "Check the connection, and that all files of the package are where index.js is. For a service worker bundle it into one file.";

let fetched: Promise<Rest> | undefined;

/** `options`: of a call, whose signal ends the wait. */
export async function rest(options?: object): Promise<Rest> {
  fetched ??= import("./calls.js").catch((cause: unknown) => {
    fetched = undefined;
    throw new RerankerError({ code: "NETWORK", message: "a script of the package could not be loaded", hint: HINT }, { cause });
  });
  const signal = signalOf(options);
  const waiting = new AbortController();
  try {
    return await (signal ? Promise.race([fetched, aborted(signal, waiting.signal)]) : fetched);
  } finally {
    waiting.abort();
  }
}

/** What else it may be is seen where options are checked. */
function signalOf(options: unknown): AbortSignal | undefined {
  try {
    const { signal } = options as { signal?: unknown };
    return isA(signal, AbortSignal) ? signal : undefined;
  } catch {
    return undefined;
  }
}

async function aborted(signal: AbortSignal, until: AbortSignal): Promise<never> {
  await new Promise<unknown>((resolve) => (signal.aborted ? resolve(true) : signal.addEventListener("abort", resolve, { signal: until })));
  throw signal.reason;
}
