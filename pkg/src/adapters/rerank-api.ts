/**
 * Rerank requests to Cohere, Jina and Voyage, answered here: a function of `fetch`'s form, so that code that talks to one of them stays as it is and nothing leaves the
 * device. What is sent for a service alone, keys and names of models, is read and means nothing.
 *
 * | path | request | answer |
 * | --- | --- | --- |
 * | `/v2/rerank` | Cohere's: `model`, `query`, `documents`, `top_n` | `{ id, results: [{ index, relevance_score }], meta }` |
 * | `/v1/rerank` with `cohere` in the host or the path before it | Cohere's first: the same, documents may be `{ text }`, `return_documents` (false), `model` may be missing | the same, `document: { text }` where asked for |
 * | `/v1/rerank` | Jina's: the same, documents may be `{ text }`, `return_documents` (true) | `{ model, usage, results: [{ index, relevance_score, document: { text } }] }` |
 * | `/v1/rerank` with `voyage` in the host or the path before it | Voyage's: `top_k` in place of `top_n`, `return_documents` (false) | `{ object, data: [{ index, relevance_score, document }], model, usage }` |
 *
 * Nothing is billed: units and tokens are 0. `max_tokens_per_doc`, `truncation` and the like have no effect: a model reads as much of a document as it reads. `rank_fields` is refused.
 */

import { RerankerError } from "../index.js";
import { held, rankAll, type RankedDocument, type RankerSource, type RankOptions } from "./shared/ranker.js";

export type { Ranker, RankerSource, RankOptions } from "./shared/ranker.js";

export interface RerankFetchOptions extends RankOptions<string> {
  /** What answers requests that are no rerank requests. By default they get the status 404, and go nowhere. */
  otherwise?: typeof fetch;
}

interface Question {
  model: string;
  query: string;
  documents: string[];
  topK: number | undefined;
  returnDocuments: boolean;
}

interface Service {
  topK: "top_n" | "top_k";
  /** What stands for a model that is not named, where it need not be. */
  model?: string;
  returnsDocuments: boolean;
  answer(question: Question, ranked: readonly RankedDocument<string>[]): object;
  error(message: string): object;
}

const detailed = (detail: string) => ({ detail });

const cohere = (version: string): Service => ({
  topK: "top_n",
  ...(version === "1" && { model: "" }),
  returnsDocuments: false,
  answer: ({ returnDocuments }, ranked) => ({
    id: crypto.randomUUID(),
    results: ranked.map((one) => ({ ...scored(one), ...(returnDocuments && textOf(one)) })),
    meta: { api_version: { version }, billed_units: { search_units: 0 } },
  }),
  error: (message) => ({ id: crypto.randomUUID(), message }),
});

const COHERE_1 = cohere("1");
const COHERE_2 = cohere("2");

const JINA: Service = {
  topK: "top_n",
  returnsDocuments: true,
  answer: ({ model, returnDocuments }, ranked) => ({
    model,
    usage: { total_tokens: 0 },
    results: ranked.map((one) => ({ ...scored(one), ...(returnDocuments && textOf(one)) })),
  }),
  error: detailed,
};

const VOYAGE: Service = {
  topK: "top_k",
  returnsDocuments: false,
  answer: ({ model, returnDocuments }, ranked) => ({
    object: "list",
    data: ranked.map((one) => ({ ...scored(one), ...(returnDocuments && { document: one.document }) })),
    model,
    usage: { total_tokens: 0 },
  }),
  error: detailed,
};

function textOf({ document }: RankedDocument<string>) {
  return { document: { text: document } };
}

function scored({ index, relevance }: RankedDocument<string>) {
  return { index, relevance_score: relevance };
}

/**
 * A `fetch` that answers rerank requests: for a client's option `fetch`, for a service worker's `respondWith`, or as the handler of a server.
 *
 * An error is the service's kind of JSON with the status 400 for a bad request, 429 where too many wait, 503 where it may succeed later and 500 otherwise; an aborted
 * request rejects with the signal's reason, as `fetch` does.
 *
 * @example
 * import { rerankFetch } from "tabrank/adapters/rerank-api";
 * const localFetch = rerankFetch(reranker);
 * const response = await localFetch("https://api.jina.ai/v1/rerank", { method: "POST", body: JSON.stringify({ model: "any", query, documents }) });
 * const { results } = await response.json();
 */
export function rerankFetch(reranker: RankerSource, options: RerankFetchOptions = {}): typeof fetch {
  const { otherwise, ...rest } = options;
  const source = held(reranker);
  return async (input, init) => {
    const service = serviceAt(addressOf(input));
    if (!service) return otherwise ? otherwise(input, init) : json(404, detailed("this address has no rerank service"));
    const request = new Request(input, init);
    try {
      const question = questionIn(await bodyOf(request), service);
      const { ranked } = await rankAll(source, question.query, question.documents, { ...rest, topK: question.topK, signal: request.signal });
      return json(200, service.answer(question, ranked));
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      return failure(service, error);
    }
  };
}

/** Without a `Request` made of it, which would use up the body of another. */
function addressOf(input: RequestInfo | URL): URL {
  return new URL(input instanceof Request ? input.url : input, globalThis.location?.href);
}

function serviceAt({ host, pathname }: URL): Service | undefined {
  if (pathname.endsWith("/v2/rerank")) return COHERE_2;
  if (!pathname.endsWith("/v1/rerank")) return undefined;
  const [, name] = /(voyage|cohere)/.exec(`${host}${pathname}`) ?? [];
  return name === "voyage" ? VOYAGE : name === "cohere" ? COHERE_1 : JINA;
}

async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  if (request.method !== "POST") throw invalid(`the method is ${request.method}; expected POST`);
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null) throw invalid("the body is no JSON object");
  return body as Record<string, unknown>;
}

function questionIn(body: Record<string, unknown>, service: Service): Question {
  const { documents } = body;
  if (!Array.isArray(documents) || documents.length === 0) throw invalid("documents is no list, or an empty one");
  const topK = body[service.topK] ?? undefined;
  if (topK !== undefined && !(Number.isSafeInteger(topK) && (topK as number) > 0)) throw invalid(`${service.topK} is no positive integer`);
  // It would be other texts that are read.
  if (body["rank_fields"] !== undefined) throw invalid("rank_fields is given; put what is to be read into text");
  return {
    model: stringAt(body["model"] ?? service.model, "model"),
    query: stringAt(body["query"], "query"),
    documents: documents.map(textAt),
    topK: topK as number | undefined,
    returnDocuments: typeof body["return_documents"] === "boolean" ? body["return_documents"] : service.returnsDocuments,
  };
}

function textAt(document: unknown, index: number): string {
  const text = typeof document === "object" && document !== null ? (document as { text?: unknown }).text : document;
  return stringAt(text, `documents[${index}]`);
}

function stringAt(value: unknown, place: string): string {
  if (typeof value !== "string") throw invalid(`${place} is ${value === undefined ? "missing" : "no string"}`);
  return value;
}

function invalid(message: string): RerankerError {
  return new RerankerError({ code: "INVALID_INPUT", message });
}

/** What is thrown by something else may hold a text. */
function failure(service: Service, error: unknown): Response {
  if (!(error instanceof RerankerError)) return json(500, service.error("the reranker failed"));
  return json(statusOf(error), service.error(`${error.code}: ${error.message}`));
}

function statusOf({ code, retryable }: RerankerError): number {
  if (code === "INVALID_INPUT" || code === "INPUT_TOO_LARGE") return 400;
  if (code === "BUSY") return 429;
  return retryable ? 503 : 500;
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
