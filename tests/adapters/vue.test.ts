import "./lib/dom.js";
import type { Reranker } from "tabrank";
import { type Ranker, rerankComposables } from "tabrank/adapters/vue";
import { afterEach, expect, test, vi } from "vitest";
import * as Vue from "vue";
import { type App, createApp, createSSRApp, defineComponent, h, nextTick, reactive, ref, shallowRef } from "vue";
import { renderToString } from "vue/server-renderer";
import { loadTiny, slowFor, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const { useReranker, useRerank } = rerankComposables(Vue);

const apps: App[] = [];
afterEach(() => apps.splice(0).forEach((app) => app.unmount()));

/** What a component's setup gave, in a page. */
function mount<S>(setup: () => S, text: (given: S) => string = () => ""): S & { unmount(): void } {
  let given: S | undefined;
  const app = createApp(defineComponent({ setup: () => ((given = setup()), () => h("p", text(given!))) }));
  app.mount(document.body.appendChild(document.createElement("div")));
  apps.push(app);
  return Object.assign(given as S & { unmount(): void }, { unmount: () => apps.splice(apps.indexOf(app), 1).forEach((one) => one.unmount()) });
}

const shown = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 10 });

test("a list is shown in the reference's order, and another for another query or other documents", async () => {
  const [query, documents] = [ref(tiny.query), reactive([...tiny.documents])];
  const view = mount(() => useRerank({ reranker: tiny.reranker, query, documents: () => documents }), ({ results }) => results.value.map(({ index }) => index).join());
  expect(view.isRanking.value).toBe(true);
  await shown(() => expect(document.body.lastElementChild!.textContent).toBe(tiny.order.join()));
  expect([view.isRanking.value, view.progress.value, view.error.value]).toEqual([false, 1, undefined]);
  documents.length = 0;
  documents.push("", "water", "water");
  await shown(() => expect(view.results.value.map(({ index }) => index)).toEqual([1, 2, 0]));
  query.value = " ";
  await shown(() => expect(view.results.value).toEqual([]));
});

test("results stay while a newer query is ranked, which ends the one before it", async () => {
  const { ranker, calls } = slowFor(tiny.reranker, "water in");
  const query = ref("water");
  const view = mount(() => useRerank({ reranker: ranker, query, documents: tiny.documents }, { topK: 3 }));
  await shown(() => expect(view.results.value).toHaveLength(3));
  const before = view.results.value;
  query.value = "water in";
  await nextTick();
  expect(view.results.value).toBe(before);
  query.value = tiny.query;
  await shown(() => expect(view.results.value.map(({ index }) => index)).toEqual(tiny.order.slice(0, 3)));
  expect(calls.map(({ signal }) => signal.aborted)).toEqual([false, true, false]);
});

test("there are no results for a query or documents that are awaited", async () => {
  const [query, documents] = [ref<string | undefined>(), ref<string[] | null>(null)];
  const view = mount(() => useRerank({ reranker: tiny.reranker, query, documents }));
  expect([view.results.value, view.isRanking.value, view.error.value]).toEqual([[], false, undefined]);
  query.value = "water";
  await nextTick();
  expect(view.isRanking.value).toBe(false);
  documents.value = ["water"];
  await shown(() => expect(view.results.value).toHaveLength(1));
  documents.value = null;
  await shown(() => expect(view.results.value).toEqual([]));
});

test("what comes of a ranking that was ended is not shown", async () => {
  const given: ((value: unknown) => void)[] = [];
  const late = { model: tiny.reranker.model, rerank: (() => new Promise((resolve) => given.push(resolve))) as unknown as Reranker["rerank"] };
  const reranker = shallowRef<Ranker>(late);
  const view = mount(() => useRerank({ reranker, query: tiny.query, documents: tiny.documents }));
  reranker.value = tiny.reranker;
  await shown(() => expect(view.results.value).toHaveLength(tiny.documents.length));
  given[0]!({ results: [], warnings: [] });
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(view.results.value.map(({ index }) => index)).toEqual(tiny.order);
});

test("it waits for a reranker, tells why a ranking failed, and ends it where it is told to or goes", async () => {
  const signals: AbortSignal[] = [];
  const rerank = ((_: string, __: string[], { signal }: { signal: AbortSignal }) => (signals.push(signal), new Promise(() => {}))) as unknown as Reranker["rerank"];
  const endless: Ranker = { model: tiny.reranker.model, rerank };
  const reranker = shallowRef<Ranker | undefined>();
  const query = ref(tiny.query);
  const view = mount(() => useRerank({ reranker, query, documents: ["water"] }));
  expect(view.isRanking.value).toBe(false);
  reranker.value = endless;
  await shown(() => expect(view.isRanking.value).toBe(true));
  view.abort();
  expect([view.isRanking.value, view.error.value]).toEqual([false, undefined]);
  query.value = "water";
  await shown(() => expect(signals).toHaveLength(2));
  view.unmount();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  const failing = mount(() => useRerank({ reranker: tiny.reranker, query: tiny.query, documents: ["water"] }, { topK: -1 }));
  await shown(() => expect(failing.error.value).toMatchObject({ code: "INVALID_INPUT" }));
  expect([failing.results.value, failing.isRanking.value]).toEqual([[], false]);
});

test("a model is loaded with progress when the component is mounted, and disposed of when it goes", async () => {
  const progress: number[] = [];
  const load = async ({ onProgress }: { onProgress(progress: never): void }) => {
    onProgress({ progress: 0.5 } as never);
    return loadTiny("pylate");
  };
  const view = mount(() => {
    const model = useReranker(load);
    Vue.watch(model.progress as Vue.Ref<number>, (value) => progress.push(value), { flush: "sync" });
    return { ...model, ...useRerank({ reranker: model.reranker, query: tiny.query, documents: tiny.documents }) };
  });
  await shown(() => expect(view.results.value.map(({ index }) => index)).toEqual(tiny.order));
  expect(progress).toEqual([0.5, 1]);
  const loaded = view.reranker.value!;
  view.unmount();
  await shown(() => expect(loaded.rerank("q", ["a"])).rejects.toMatchObject({ code: "DISPOSED" }));
});

test("a load that fails is told, one that is no longer wanted is ended, and a server loads nothing", async () => {
  const failing = mount(() => useReranker(() => Promise.reject(new Error("no model"))));
  await shown(() => expect([failing.isLoading.value, failing.error.value]).toEqual([false, new Error("no model")]));
  const signals: AbortSignal[] = [];
  mount(() => useReranker<Reranker>(({ signal }) => (signals.push(signal), new Promise(() => {})))).unmount();
  expect(signals[0]!.aborted).toBe(true);
  const load = vi.fn();
  await renderToString(createSSRApp(defineComponent({ setup: () => (useReranker(load), () => h("p")) })));
  expect(load).not.toHaveBeenCalled();
});
