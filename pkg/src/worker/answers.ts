/**
 * Whether a server's answer is the file that was asked for, and what it means where it is not. "Absent" has many answers: object stores say 403 to whoever may
 * not list them, often without the headers that let a page see it; development servers send their index page; others an error in JSON under status 200.
 */

import { RerankerError } from "../error.js";
import { type Found, foundInstead, PAGE, START } from "./contents.js";
import { addressError, Download, statusError } from "./download.js";

/** A server that takes longer than this to answer a page that may not see the answer is not reachable. */
const PROBE_LIMIT = 10_000;

const BLOCKED_HINT =
  "The server has to send Access-Control-Allow-Origin for this page's origin and, if `headers` are sent, to answer OPTIONS with Access-Control-Allow-Headers. " +
  "Many servers leave that out where they refuse a file, or lack it: check the address and the permissions too.";

const LOGIN_HINT = "The server passed the request on to a web page, perhaps to log in: check the address, or pass credentials as `headers`.";

/** What a hub says in `X-Error-Code` of a model as a whole. */
const HUB_CODES = ["GatedRepo", "RepoNotFound", "RevisionNotFound"] as const;

export type HubCode = (typeof HUB_CODES)[number];

export interface Refusal {
  /** `unknown`: whether there is such a file cannot be told, since it was kept back, or a notice came in its place. `damaged`: there is, and it is something else. */
  verdict: "absent" | "unknown" | "damaged";
  error: RerankerError;
  hubCode?: HubCode | undefined;
  /** The commit at which a hub has no such file. */
  commit?: string | undefined;
}

/** Asks for a file. An answer that the browser keeps from the page is told apart from a network that fails: that one throws, and may be tried again. */
export async function ask(name: string, url: string, init: RequestInit): Promise<Download | Refusal> {
  const download = await startOrSeeWhy(url, init);
  const refusal = download instanceof Download ? await refusalOf(name, download) : download;
  if (!refusal) return download;
  if (download instanceof Download) download.cancel();
  return refusal;
}

async function startOrSeeWhy(url: string, init: RequestInit): Promise<Download | Refusal> {
  try {
    return await Download.start(url, init);
  } catch (error) {
    if (!isOfTheBrowser(error) || !(await isReachable(url))) throw error;
  }
  return startAgain(url, init);
}

/** Past the HTTP cache, since it may hold what came for another use, without CORS headers. The server was reachable a moment ago. */
async function startAgain(url: string, init: RequestInit): Promise<Download | Refusal> {
  try {
    return await Download.start(url, { ...init, cache: "reload" });
  } catch (error) {
    if (!isOfTheBrowser(error)) throw error;
    return { verdict: "unknown", error: addressError("NETWORK", url, "was answered, but the browser does not let this page see the answer (CORS)", { hint: BLOCKED_HINT, retryable: false, cause: error }) };
  }
}

/** `fetch` rejects alike where nothing answers and where the page may not see the answer. */
function isOfTheBrowser(error: unknown): boolean {
  return error instanceof RerankerError && error.code === "NETWORK" && error.cause instanceof TypeError;
}

/** Whether anything answers at this address: what answers cannot be seen in this mode, but needs no permission either. */
async function isReachable(url: string): Promise<boolean> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), PROBE_LIMIT);
  try {
    await fetch(url, { mode: "no-cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", signal: end.signal });
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

async function refusalOf(name: string, download: Download): Promise<Refusal | undefined> {
  const { url, status, headers, commit } = download;
  if (status === 200 || status === 203) return instead(download, await seen(name, download));
  const hubCode = HUB_CODES.find((code) => code === headers.get("x-error-code"));
  return { verdict: status === 404 || status === 410 ? "absent" : "unknown", error: statusError(url, status), hubCode, commit };
}

async function seen(name: string, download: Download): Promise<Found | undefined> {
  if (/^text\/html/i.test(download.headers.get("content-type") ?? "")) return PAGE;
  return foundInstead(name, (await download.peek(START)).subarray(0, START));
}

/** A page at the address itself stands for a file that is absent; one that the request was passed on to may ask for a login. */
function instead({ url, redirected }: Download, found: Found | undefined): Refusal | undefined {
  if (!found) return undefined;
  const { what, hint, kind } = found;
  const isLogin = kind === "page" && redirected;
  const error = addressError("INTEGRITY_FAILED", url, isLogin ? `leads to ${what}` : `holds ${what}`, { hint: isLogin ? LOGIN_HINT : hint });
  if (kind === "page" && !redirected) return { verdict: "absent", error };
  return { verdict: kind ? "unknown" : "damaged", error };
}
