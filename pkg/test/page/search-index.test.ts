import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Index, type IndexProgress, Reranker, type SearchProgress } from "../../src/index.js";
import { FakeEngine, type FakeModule, fakeModule, INFO } from "../support/engine.js";
import { indexFiles, served } from "../support/search-index.js";
import { type Answer, FakeServer, hurry, ok, status } from "../support/server.js";
import { LoopWorker, stubWorkers } from "../support/workers.js";

const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const CHECKPOINT = { "config.json": Uint8Array.of(0), "tokenizer.json": Uint8Array.of(0), "model.safetensors": Uint8Array.of(0) };
const OPTIONS = { wasmUrl: "/model/tabrank.wasm", device: "cpu" } as const;

let module: FakeModule;
let server: FakeServer;

function serve(files: Record<string, Uint8Array<ArrayBuffer>> = indexFiles({ embeddingId: INFO.embeddingId }), more: Record<string, Answer> = {}): void {
  server = new FakeServer({ "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }), ...served(files), ...more });
}

const asked = () => server.requests.filter((file) => file !== "tabrank.wasm");
const reranker = () => Reranker.load(CHECKPOINT, OPTIONS);
const open = (options: Parameters<typeof Index.open>[1] = {}) => Index.open("/model/", { ...OPTIONS, ...options });

beforeEach(() => {
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("location", { href: "https://host/app/index.html" });
  serve();
  module = fakeModule();
  stubWorkers(module);
  hurry();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("an Index", () => {
  test("says what its manifest says, and how far its opening has come", async () => {
    const progress: IndexProgress[] = [];
    const { info } = await open({ onProgress: (step) => progress.push(step) });
    expect(info).toMatchObject({ documents: 4, tokens: 9, dimension: 2, nbits: 2, centroids: 2, embeddingId: INFO.embeddingId });
    expect(progress).toEqual([{ loaded: 3, total: 6 }, { loaded: 6, total: 6 }]);
  });

  test("finds documents for a text, which the reranker encodes, and for embeddings", async () => {
    const index = await open({ reranker: await reranker() });
    const found = { results: [{ id: "b", rank: 1, score: 5 }, { id: "page a:page_1", rank: 2, score: 3 }], queryTruncated: false };
    expect(await index.search("q")).toMatchObject({ ...found, fetched: { parts: 3 } });
    const { search } = index;
    const output = await search({ embeddings: Float32Array.of(1, 0) }, { topK: 1 });
    expect(output).toMatchObject({ results: found.results.slice(0, 1), fetched: { parts: 0, bytes: 0 }, read: { parts: 3 } });
    expect(output.timings.encode).toBe(0);
    expect((await index.search("longer than it reads".slice(0, 1).repeat(1))).queryTruncated).toBe(false);
  });

  test("scores by a mean where the reranker's model does", async () => {
    const engine = new FakeEngine();
    engine.info = { ...INFO, similarity: "meanmaxsim" };
    module.Engine.load = async () => engine;
    const query = { embeddings: Float32Array.of(1, 0, 0, 1) };
    const scores = async (index: Index) => (await index.search(query)).results.map(({ score }) => score);
    expect(await scores(await open())).toEqual([5, 3]);
    expect(await scores(await open({ reranker: await reranker() }))).toEqual([2.5, 1.5]);
  });

  test("tells how many of the parts that a search wants it has read, those in memory among them", async () => {
    const index = await open();
    for (const fetched of [3, 0]) {
      const progress: SearchProgress[] = [];
      const output = await index.search({ embeddings: Float32Array.of(1, 0) }, { onProgress: (step) => progress.push(step) });
      expect(output).toMatchObject({ fetched: { parts: fetched }, read: { parts: 3 } });
      expect(progress.map(({ done }) => done)).toEqual([1, 2, 3]);
      expect(progress.at(-1)).toEqual({ done: 3, total: 3 });
      expect(progress[0]!.total).toBeLessThan(3);
    }
    await expect(index.search({ embeddings: Float32Array.of(1, 0) }, { onProgress: 1 as never })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("tells of a query that was cut", async () => {
    const engine = new FakeEngine();
    engine.longest = 0;
    module.Engine.load = async () => engine;
    expect((await (await open({ reranker: await reranker() })).search("q")).queryTruncated).toBe(true);
  });

  test("without a reranker takes embeddings alone, and rows of its own width", async () => {
    const index = await open();
    await expect(index.search("q")).rejects.toMatchObject({ code: "INVALID_INPUT", message: "query is a text, and the index was opened without a reranker" });
    await expect(index.search({ embeddings: Float32Array.of(1) })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "query.embeddings has 1 values, which are no rows of 2" });
    await expect(index.search({ embeddings: Float32Array.of(1, Number.NaN) })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(index.search({ embeddings: Float32Array.of(1, 0) }, { nIvfProbe: 0 })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "nIvfProbe is 0; expected a positive integer" });
  });

  test("refuses a reranker whose embeddings are others, before any part is fetched for a search", async () => {
    serve(indexFiles({ embeddingId: "v1-other" }));
    await expect(open({ reranker: await reranker() })).rejects.toMatchObject({ code: "MODEL_MISMATCH", message: `the index is of the model v1-other, and reranker is ${INFO.embeddingId}` });
    serve(indexFiles({ dimension: 3 }));
    await expect(open({ reranker: await reranker() })).rejects.toMatchObject({ code: "MODEL_MISMATCH" });
    await expect(open({ reranker: {} as Reranker })).rejects.toMatchObject({ code: "INVALID_INPUT", message: "reranker is an object; expected a Reranker" });
    await expect(open({ fetch: "some" as "all" })).rejects.toMatchObject({ code: "INVALID_INPUT", message: 'fetch is none of "probed", "all"' });
  });

  test("is opened anew by a worker that takes over, which asks for no more than the first", async () => {
    const index = await open();
    await index.search({ embeddings: Float32Array.of(1, 0) });
    const before = asked().length;
    module.panic("the engine is gone");
    await expect(index.search({ embeddings: Float32Array.of(9, 0) })).rejects.toMatchObject({ code: "INTERNAL" });
    stubWorkers(fakeModule());
    expect(await index.search({ embeddings: Float32Array.of(2, 0) })).toMatchObject({ results: [{ id: "d" }, { id: "b" }, { id: "c" }] });
    expect(asked().slice(before).sort()).toEqual(["codec-1", "codec-2", "documents-b", "documents-c", "index.json", "lists-2"]);
  });

  test("ends its worker where it cannot be opened, and where the opening is aborted", async () => {
    const ended = vi.spyOn(LoopWorker.prototype, "terminate");
    serve({}, { "index.json": status(404) });
    await expect(open()).rejects.toMatchObject({ code: "HTTP_STATUS" });
    expect(ended).toHaveBeenCalledTimes(1);
    const controller = new AbortController();
    serve(undefined, { "codec-2": () => (controller.abort(), new Promise(() => {})) });
    await expect(open({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(ended).toHaveBeenCalledTimes(2);
  });

  test("gives a search up at once, and answers the next one", async () => {
    serve(undefined, { "lists-2": () => new Promise(() => {}) });
    const index = await open();
    const controller = new AbortController();
    const given = index.search({ embeddings: Float32Array.of(2, 0) }, { signal: controller.signal });
    await vi.waitFor(() => expect(asked()).toContain("lists-2"));
    controller.abort();
    await expect(given).rejects.toMatchObject({ name: "AbortError" });
    expect(await index.search({ embeddings: Float32Array.of(1, 0) })).toMatchObject({ results: [{ id: "b" }, {}] });
  });

  test("does nothing once it was disposed of, and leaves the reranker alone", async () => {
    const model = await reranker();
    const index = await open({ reranker: model });
    index.dispose();
    await expect(index.search("q")).rejects.toMatchObject({ code: "DISPOSED", hint: "Open the index again." });
    expect((await model.encodeQuery("q")).dimension).toBe(2);
  });

  test("is looked for below the page's address, with the query that its own has", async () => {
    server = new FakeServer({ "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }) });
    await expect(Index.open("indexes/one?v=3#top", OPTIONS)).rejects.toMatchObject({ details: { url: "https://host/app/indexes/one/index.json?…", status: 404 } });
    expect(server.urls.at(-1)).toBe("https://host/app/indexes/one/index.json?v=3");
    await expect(Index.open("indexes/index.json", OPTIONS)).rejects.toMatchObject({ code: "INVALID_INPUT", message: "url is the address of a file; expected that of the folder it is in" });
    await expect(Index.open("file:///index/", OPTIONS)).rejects.toMatchObject({ code: "INVALID_INPUT", message: "url has the scheme file:, which no index is loaded from" });
    vi.stubGlobal("location", undefined);
    const hint = "There is no page here: pass a whole address (https://…).";
    for (const url of ["indexes/one", "file:///index/"]) await expect(Index.open(url, { ...OPTIONS, wasmUrl: "https://host/tabrank.wasm" })).rejects.toMatchObject({ code: "INVALID_INPUT", hint });
  });

  test("is not opened for a reranker that was disposed of", async () => {
    const model = await reranker();
    model.dispose();
    await expect(open({ reranker: model })).rejects.toMatchObject({ code: "DISPOSED", hint: "Load a new Reranker." });
    expect(asked()).toEqual([]);
  });

  test("tells of a server that goes on failing, in words of an index", async () => {
    serve(undefined, { "index.json": status(503) });
    await expect(open()).rejects.toMatchObject({ code: "HTTP_STATUS", details: { status: 503 }, hint: expect.stringMatching(/^Check the address of the index's folder/) });
  });
});
