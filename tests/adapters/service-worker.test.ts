/** Both sides in one process, by ports as in a browser; tests/web runs the example in Chromium. */

import { type AnswerOptions, answerServiceWorker, type RankerSource, rerankSearches, type SearchEvent, type SearchRoute } from "tabrank/adapters/service-worker";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { REASON, tinyModel } from "./lib/tiny.js";

interface Found {
  took: number;
  hits: { body?: string }[];
}

const tiny = tinyModel();
const ADDRESS = `https://host/search?${new URLSearchParams({ q: "water" })}`;
const ROUTE: SearchRoute<Found, Found["hits"][0]> = {
  matches: (url) => url.pathname === "/search",
  query: (url) => url.searchParams.get("q"),
  hits: ({ hits }) => hits,
  text: ({ body }) => body,
  withHits: (found, hits) => ({ ...found, hits }),
};

class Container extends EventTarget {
  startMessages() {}
}

let container: Container;
let found: Found;
let backend: ReturnType<typeof vi.fn<(request: Request) => Promise<Response>>>;
beforeEach(() => {
  container = new Container();
  found = { took: 7, hits: tiny.documents.map((body) => ({ body })) };
  vi.stubGlobal("navigator", { serviceWorker: container });
  backend = vi.fn(async () => new Response(JSON.stringify(found), { headers: { "content-length": "1", etag: "e" } }));
  vi.stubGlobal("fetch", backend);
});
afterEach(() => void vi.unstubAllGlobals());

/** What the page gets for an address. */
async function search(address: string, { route = ROUTE, signal = null as AbortSignal | null } = {}): Promise<Response | undefined> {
  const page = { postMessage: (data: unknown, ports: Transferable[]) => void container.dispatchEvent(new MessageEvent("message", { data, ports: ports as MessagePort[] })) };
  let listener: ((event: SearchEvent) => void) | undefined;
  rerankSearches({ addEventListener: (_, listen) => void (listener = listen), clients: { get: async (id) => (id === "page" ? page : undefined) } }, route);
  let response: Promise<Response> | undefined;
  listener!({ request: new Request(address, { signal }), clientId: "page", respondWith: (given) => void (response = given) });
  return response;
}

const serve = (reranker: RankerSource = tiny.reranker, options?: AnswerOptions) => answerServiceWorker(reranker, options);
const bodiesOf = async (response: Response | undefined) => ((await response!.json()) as Found).hits.map(({ body }) => body);
const answered = (query: string) => `https://host/search?${new URLSearchParams({ q: query })}`;

describe("a search", () => {
  test("comes back in the reference's order, the rest as it was", async () => {
    serve();
    const response = await search(answered(tiny.query));
    expect([response!.headers.get("etag"), response!.headers.get("content-length")]).toEqual(["e", null]);
    const { took, hits } = (await response!.json()) as Found;
    expect(took).toBe(7);
    expect(hits).toEqual(tiny.order.map((index) => ({ body: tiny.documents[index] })));
  });

  test("may ask the backend for more, and has hits without a text last", async () => {
    serve();
    found.hits = [{}, { body: "water" }, { body: " " }];
    const request = () => new Request("https://host/search?size=100");
    expect(await bodiesOf(await search(ADDRESS, { route: { ...ROUTE, request } }))).toEqual(["water", undefined, " "]);
    expect(backend.mock.calls[0]![0].url).toBe("https://host/search?size=100");
  });

  test.each([
    ["without a query", "https://host/search?q=%20"],
    ["without a hit", ADDRESS],
  ])("%s is the backend's", async (what, address) => {
    const rerank = vi.spyOn(tiny.reranker, "rerank");
    serve();
    if (what === "without a hit") found.hits = [];
    expect(await (await search(address))!.json()).toEqual(found);
    expect(rerank).not.toHaveBeenCalled();
    rerank.mockRestore();
  });

  test("is the backend's where its answer is no such JSON or an error, and other requests are not touched", async () => {
    serve();
    backend.mockResolvedValueOnce(new Response("<html>"));
    expect(await (await search(ADDRESS))!.text()).toBe("<html>");
    backend.mockResolvedValueOnce(new Response("no", { status: 503 }));
    expect((await search(ADDRESS))!.status).toBe(503);
    expect(await search("https://host/other")).toBeUndefined();
    backend.mockRejectedValueOnce(new TypeError("offline"));
    await expect(search(ADDRESS)).rejects.toThrow("offline");
  });

  test("is the backend's where the page does not answer, answers too late, or fails, which it tells", async () => {
    expect(await (await search(ADDRESS))!.json()).toEqual(found);
    const end = serve(new Promise<never>(() => {}));
    expect(await (await search(ADDRESS, { route: { ...ROUTE, patience: 20 } }))!.json()).toEqual(found);
    end();
    const onError = vi.fn();
    serve(Promise.reject(new Error("no model")), { onError });
    expect(await (await search(ADDRESS))!.json()).toEqual(found);
    expect(onError).toHaveBeenCalledExactlyOnceWith(new Error("no model"));
  });

  test("that is given up ends the ranking", async () => {
    const controller = new AbortController();
    const ended = new Promise<AbortSignal>((resolve) => {
      const rerank = ((_: string, __: string[], { signal }: { signal: AbortSignal }) => {
        signal.addEventListener("abort", () => resolve(signal));
        controller.abort(REASON);
        return new Promise(() => {});
      }) as unknown as typeof tiny.reranker.rerank;
      serve({ model: tiny.reranker.model, rerank });
    });
    void search(ADDRESS, { signal: controller.signal, route: { ...ROUTE, patience: 5_000 } });
    expect((await ended).aborted).toBe(true);
  });
});
