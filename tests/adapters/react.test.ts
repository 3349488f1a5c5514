import "./lib/dom.js";
import * as React from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import type { Reranker } from "tabrank";
import { type Ranker, rerankHooks } from "tabrank/adapters/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loadTiny, slowFor, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const { useReranker, useRerank } = rerankHooks(React);
type RerankView = ReturnType<typeof useRerank<string>>;

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let root: Root;
beforeEach(() => {
  root = createRoot(document.body.appendChild(document.createElement("div")));
});
afterEach(() => React.act(async () => root.unmount()));

const render = (element: React.ReactNode, strict = false) => React.act(async () => root.render(strict ? React.createElement(React.StrictMode, null, element) : element));
const shown = (check: () => void) => vi.waitFor(() => React.act(async () => check()), { timeout: 20_000, interval: 10 });

describe("useRerank", () => {
  const views: RerankView[] = [];
  const last = () => views.at(-1)!;
  beforeEach(() => void (views.length = 0));

  function List({ reranker, query, documents, topK }: { reranker?: Ranker | undefined; query: string | undefined; documents: string[] | null | undefined; topK?: number }) {
    const view = useRerank({ reranker, query, documents: documents && [...documents], text: (document) => document, ...(topK && { topK }) });
    views.push(view);
    return React.createElement("ol", null, view.results.map(({ document }, index) => React.createElement("li", { key: index }, document)));
  }
  const list = (props: React.ComponentProps<typeof List>) => React.createElement(List, props);
  const items = () => [...document.querySelectorAll("li")].map(({ textContent }) => textContent);

  test("shows a list in the reference's order, in strict mode too, and asks once for the same question", async () => {
    const rerank = vi.spyOn(tiny.reranker, "rerank");
    const expected = tiny.order.map((index) => tiny.documents[index]);
    const props = { reranker: tiny.reranker, query: tiny.query, documents: tiny.documents };
    await render(list(props));
    await shown(() => expect(items()).toEqual(expected));
    expect(last()).toMatchObject({ isRanking: false, progress: 1, error: undefined });
    expect(views.some(({ isRanking }) => isRanking)).toBe(true);
    await render(list({ ...props }));
    expect(rerank).toHaveBeenCalledOnce();
    await render(list({ ...props, documents: tiny.documents.slice(0, 3) }));
    await shown(() => expect(items()).toHaveLength(3));
    await render(list(props), true);
    await shown(() => expect(items()).toEqual(expected));
    rerank.mockRestore();
  });

  test("keeps what it shows while a newer query is ranked, and ends the one before it", async () => {
    const { ranker, calls } = slowFor(tiny.reranker, "water in");
    const props = { reranker: ranker, documents: tiny.documents };
    await render(list({ ...props, query: "water" }));
    await shown(() => expect(items()).toHaveLength(tiny.documents.length));
    const before = items();
    await render(list({ ...props, query: "water in" }));
    expect(items()).toEqual(before);
    await render(list({ ...props, query: tiny.query }));
    await shown(() => expect(items()).toEqual(tiny.order.map((index) => tiny.documents[index])));
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([false, true, false]);
    expect(last().error).toBeUndefined();
  });

  test("waits for a reranker, shows nothing for no query or no documents, and leaves those without a text last", async () => {
    await render(list({ query: tiny.query, documents: ["", "water"] }));
    expect(last()).toMatchObject({ results: [], isRanking: false });
    await render(list({ reranker: tiny.reranker, query: tiny.query, documents: ["", "water", "water"], topK: 9 }));
    await shown(() => expect(last().results.map(({ index, rank }) => [index, rank])).toEqual([[1, 1], [2, 2], [0, 3]]));
    await render(list({ reranker: tiny.reranker, query: " ", documents: ["water"] }));
    await shown(() => expect(items()).toEqual([]));
    await render(list({ reranker: tiny.reranker, query: tiny.query, documents: [] }));
    expect(last()).toMatchObject({ results: [], error: undefined });
  });

  test("shows nothing for a query or documents that are awaited, and no document at all is told", async () => {
    const props = { reranker: tiny.reranker, query: "water", documents: ["water"] };
    for (const awaited of [{ documents: undefined }, { documents: null }, { query: undefined }]) {
      await render(list({ ...props, ...awaited }));
      expect(last()).toMatchObject({ results: [], isRanking: false, error: undefined });
      await render(list(props));
      await shown(() => expect(items()).toEqual(["water"]));
    }
    const NoList = () => (views.push(useRerank({ ...props, documents: { hits: [] } as never })), null);
    await render(React.createElement(NoList));
    await shown(() => expect(last()).toMatchObject({ results: [], isRanking: false, error: { code: "INVALID_INPUT" } }));
  });

  test("tells why a ranking failed, and ends it where it is told to or goes", async () => {
    const signals: AbortSignal[] = [];
    const rerank = ((_: string, __: string[], { signal }: { signal: AbortSignal }) => (signals.push(signal), new Promise(() => {}))) as unknown as Reranker["rerank"];
    await render(list({ reranker: tiny.reranker, query: tiny.query, documents: ["water"], topK: -1 }));
    await shown(() => expect(last()).toMatchObject({ results: [], isRanking: false, error: { code: "INVALID_INPUT" } }));
    const endless = { model: tiny.reranker.model, rerank };
    await render(list({ reranker: endless, query: tiny.query, documents: ["water"] }));
    expect(last()).toMatchObject({ isRanking: true, error: undefined });
    await React.act(async () => last().abort());
    expect(last()).toMatchObject({ isRanking: false, error: undefined });
    await render(list({ reranker: endless, query: "water", documents: ["water"] }));
    await render(null);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});

describe("useReranker", () => {
  const views: ReturnType<typeof useReranker<Reranker>>[] = [];
  const last = () => views.at(-1)!;
  beforeEach(() => void (views.length = 0));

  function Model({ load, name }: { load: Parameters<typeof useReranker<Reranker>>[0]; name?: string }) {
    const view = useReranker(load, name);
    views.push(view);
    return view.isLoading ? "loading" : "loaded";
  }

  test("loads with progress, again for another key, and disposes of what it had", async () => {
    const loaded: Reranker[] = [];
    const load = vi.fn(async ({ onProgress }: { onProgress(progress: never): void }) => {
      onProgress({ progress: 0.5 } as never);
      loaded.push(await loadTiny("pylate"));
      return loaded.at(-1)!;
    });
    await render(React.createElement(Model, { load, name: "a" }), true);
    await shown(() => expect(last()).toMatchObject({ isLoading: false, progress: 1, error: undefined }));
    expect(views.map(({ progress }) => progress)).toContain(0.5);
    // Strict mode mounts twice; either may have loaded first.
    expect(load).toHaveBeenCalledTimes(2);
    await shown(() => expect(loaded).toHaveLength(2));
    expect(loaded).toContain(last().reranker);
    await expect(loaded.find((one) => one !== last().reranker)!.rerank("q", ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
    await render(React.createElement(Model, { load, name: "b" }), true);
    await shown(() => expect(last().reranker).toBe(loaded[2]!));
    await render(null);
    for (const reranker of loaded) await expect(reranker.rerank("q", ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
  });

  test("tells why a load failed, and ends one that is no longer wanted", async () => {
    await render(React.createElement(Model, { load: () => Promise.reject(new Error("no model")) }));
    await shown(() => expect(last()).toMatchObject({ isLoading: false, reranker: undefined, error: new Error("no model") }));
    await render(React.createElement(Model, { key: "at once", load: () => { throw new Error("no address"); } }));
    await shown(() => expect(last()).toMatchObject({ isLoading: false, reranker: undefined, error: new Error("no address") }));
    const signals: AbortSignal[] = [];
    await render(React.createElement(Model, { key: "other", load: ({ signal }) => (signals.push(signal), new Promise(() => {})) }));
    await render(null);
    expect(signals[0]!.aborted).toBe(true);
  });

  test("does nothing on a server", () => {
    const load = vi.fn();
    expect(renderToString(React.createElement(Model, { load }))).toBe("loading");
    expect(load).not.toHaveBeenCalled();
  });
});
