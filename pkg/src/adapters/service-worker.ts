/**
 * A page's own search requests, reranked by its service worker, so that the page's code stays as it is.
 *
 * A service worker cannot start workers, so the model is in the page. The service worker passes the request on, sends the query and the hits' texts to the page that asked,
 * hears their order, and answers with the hits in it. A page that does not answer, since it has no model or an older script, gets the backend's answer as it is; so do other requests.
 *
 * ```text
 * page: fetch("/search?q=…") → service worker → backend
 *                              service worker → page: which order? → page's model → service worker
 * page: the answer           ← service worker
 * ```
 */

import { held, rankAll, type RankerSource, type RankOptions } from "./shared/ranker.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

/** How searches look, and their answers. `A`: an answer's JSON. */
export interface SearchRoute<A, H> {
  /** Whether a request is a search. */
  matches: (url: URL, request: Request) => boolean;
  /** The query of a search; without one the backend's answer stays as it is. */
  query: (url: URL, request: Request) => string | null | undefined | Promise<string | null | undefined>;
  /** What is asked of the backend in place of the request, such as one for more hits. By default the request itself. */
  request?: (request: Request) => Request | Promise<Request>;
  /** An answer's hits. */
  hits: (answer: A) => readonly H[];
  /** The text of a hit. Hits without one are last. */
  text: (hit: H) => string | null | undefined;
  /** The answer with the hits in their new order. */
  withHits: (answer: A, hits: H[]) => A;
  /** Milliseconds that the page has for the order; 10,000. It has a quarter of a second to say that it is at it. */
  patience?: number;
}

/** What is used of a service worker's global scope. */
export interface ServiceWorkerScope {
  addEventListener(type: "fetch", listener: (event: SearchEvent) => void): void;
  clients: { get(id: string): Promise<{ postMessage(message: unknown, transfer: Transferable[]): void } | undefined> };
}

/** What is used of its event `fetch`. */
export interface SearchEvent {
  request: Request;
  clientId: string;
  respondWith(response: Promise<Response>): void;
}

const KIND = "tabrank: rerank";
const ACKNOWLEDGED = 250;

/** What the service worker sends to the page, with a port for the answer. */
interface Question {
  kind: typeof KIND;
  query: string;
  texts: string[];
}

/** `order`: places of the texts, best first; none where they could not be ranked. */
type Answer = { taken: true } | { order: number[] | undefined };

/**
 * In the service worker: reranks the searches that `route` tells of. It adds a listener for `fetch` and nothing else.
 *
 * @example
 * import { rerankSearches, type ServiceWorkerScope } from "tabrank/adapters/service-worker";
 * interface Found { hits: { body: string }[] }
 * rerankSearches(globalThis as unknown as ServiceWorkerScope, {
 *   matches: (url) => url.pathname === "/search",
 *   query: (url) => url.searchParams.get("q"),
 *   hits: (found: Found) => found.hits,
 *   text: (hit) => hit.body,
 *   withHits: (found, hits) => ({ ...found, hits }),
 * });
 */
export function rerankSearches<A, H>(scope: ServiceWorkerScope, route: SearchRoute<A, H>): void {
  scope.addEventListener("fetch", (event) => {
    if (route.matches(new URL(event.request.url), event.request)) event.respondWith(answered(scope, event, route));
  });
}

async function answered<A, H>(scope: ServiceWorkerScope, { request, clientId }: SearchEvent, route: SearchRoute<A, H>): Promise<Response> {
  const asked = request.clone();
  const response = await fetch(route.request ? await route.request(request) : request);
  const reranked = response.ok ? await rerankedBody(response.clone(), scope, { asked, clientId }, route).catch(() => undefined) : undefined;
  if (reranked === undefined) return response;
  const headers = new Headers(response.headers);
  // They are of the body that came.
  for (const name of ["content-length", "content-encoding"]) headers.delete(name);
  return new Response(reranked, { status: response.status, statusText: response.statusText, headers });
}

async function rerankedBody<A, H>(response: Response, scope: ServiceWorkerScope, { asked, clientId }: { asked: Request; clientId: string }, route: SearchRoute<A, H>): Promise<string | undefined> {
  const [query, answer, page] = await Promise.all([route.query(new URL(asked.url), asked), response.json() as Promise<A>, scope.clients.get(clientId)]);
  const hits = route.hits(answer);
  if (!page || !query?.trim() || hits.length === 0) return undefined;
  const question: Question = { kind: KIND, query, texts: hits.map((hit) => route.text(hit) ?? "") };
  const order = await orderOf(question, page, asked.signal, route.patience ?? 10_000);
  return order && JSON.stringify(route.withHits(answer, order.map((index) => hits[index]!)));
}

type Page = NonNullable<Awaited<ReturnType<ServiceWorkerScope["clients"]["get"]>>>;

/** Closing the port, too, tells the page to stop. */
async function orderOf(question: Question, page: Page, signal: AbortSignal, patience: number): Promise<number[] | undefined> {
  const { port1, port2 } = new MessageChannel();
  const stop = () => port1.postMessage("stop");
  signal.addEventListener("abort", stop);
  try {
    return await new Promise((resolve) => {
      let timer = setTimeout(resolve, ACKNOWLEDGED);
      port1.onmessage = ({ data }: MessageEvent<Answer>) => {
        clearTimeout(timer);
        if ("order" in data) resolve(data.order);
        else timer = setTimeout(resolve, patience);
      };
      page.postMessage(question, [port2]);
    });
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    port1.close();
  }
}

export interface AnswerOptions extends RankOptions<string> {
  /** Hears why a list could not be ranked; the page then gets the backend's order. By default `console.error`. */
  onError?: (error: unknown) => void;
}

/**
 * In the page: answers its service worker with `reranker`. Returns what ends that.
 *
 * @example
 * import { answerServiceWorker } from "tabrank/adapters/service-worker";
 * const stop = answerServiceWorker(reranker);
 */
export function answerServiceWorker(reranker: RankerSource, options: AnswerOptions = {}): () => void {
  const source = held(reranker);
  const container = navigator.serviceWorker;
  const listen = ({ data, ports: [port] }: MessageEvent<Question | undefined>) => {
    if (data?.kind === KIND && port) void answer(source, data, port, options);
  };
  container.addEventListener("message", listen);
  // What came before anybody listened is kept until now.
  container.startMessages();
  return () => container.removeEventListener("message", listen);
}

async function answer(source: RankerSource, { query, texts }: Question, port: MessagePort, { onError = console.error, ...options }: AnswerOptions): Promise<void> {
  const send = (message: Answer) => port.postMessage(message);
  const stopped = new AbortController();
  port.onmessage = () => stopped.abort();
  send({ taken: true });
  try {
    const { ranked } = await rankAll(source, query, texts, { ...options, signal: stopped.signal });
    send({ order: ranked.map(({ index }) => index) });
  } catch (error) {
    if (!stopped.signal.aborted) onError(error);
    send({ order: undefined });
  }
}
