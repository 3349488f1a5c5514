/** Documents that are images: how a call reads them, with workers whose engine makes a row of each tile. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EmbeddingList, type EncodePagesOptions, type GivenPage, type LoadOptions, type PagesProgress, Reranker } from "../../src/index.js";
import { bundleOf, FakeEngine, FakePicture, fakeModule, hashOf, INFO } from "../support/engine.js";
import { FakeServer, ok } from "../support/server.js";
import { FILES, stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

const PAGES = { longestEdge: 10, tileSize: 10, bytes: 300 };
const WEIGHTS = new Uint8Array(100).fill(7);
const SIDE = { "pages-00001-of-00001.safetensors": new Uint8Array(300).fill(9) };

let engines: FakeEngine[];

/** The folder of a bundle with a page side. */
function stubBundle(): void {
  const pages = Object.entries(SIDE).map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: hashOf(bytes) }));
  const files = bundleOf("q8", { "config.json": new TextEncoder().encode("{}"), "weights-00001-of-00001.safetensors": WEIGHTS }, { pages });
  stubSite(Object.fromEntries(Object.entries({ ...files, ...SIDE }).map(([name, bytes]) => [name, ok(bytes as Uint8Array<ArrayBuffer>)])));
}

/** Workers whose engines have what they loaded of the page side in it or beside it. */
function stubEngines(hasPages = true): void {
  engines = [];
  const modules = Array.from({ length: 12 }, () =>
    fakeModule(async () => {
      const engine = new FakeEngine();
      engine.info = { ...INFO, pages: PAGES };
      engine.hasPages = hasPages;
      engines.push(engine);
      return engine;
    }),
  );
  stubWorkers(...modules);
}

beforeEach(() => {
  stubSite(FILES);
  stubEngines();
  FakePicture.held = 0;
});
afterEach(() => vi.unstubAllGlobals());

const load = (options: LoadOptions = {}) => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm", workers: 1, ...options });

/** Of one colour, which its tiles' rows tell. */
const page = (width: number, height: number, colour = 1) => ({ width, height, rgba: new Uint8Array(4 * width * height).fill(colour) });

const requested = (part: string) => FakeServer.last!.requests.filter((name) => name.includes(part));

describe("a page", () => {
  test("becomes a document that says where its patches are, and that rankings, explanations and lists take", async () => {
    const reranker = await load();
    const [encoded] = await reranker.encodePages([page(20, 10, 5)]);
    expect(encoded).toEqual({
      codec: "f32",
      dimension: 2,
      embeddingId: INFO.embeddingId,
      embeddings: Float32Array.of(-1, -1, 0, 5, 1, 5, 2, 5),
      grid: [1, 2],
      page: [20, 10],
      patches: { tile: 1, mask: Uint8Array.of(0, 1, 1, 1) },
    });
    const { results } = await reranker.rerank("it", [encoded!], { embeddings: (document) => document });
    expect(results[0]!.score).toBe(4);
    const { maps } = await reranker.explain("it", encoded!);
    expect(maps!.map(({ rows, columns, values }) => [rows, columns, values.length])).toEqual([[1, 2, 2]]);
    expect(EmbeddingList.from(await EmbeddingList.write([encoded])).at(0)).toMatchObject({ grid: [1, 2], page: [20, 10] });
  });

  test("may be pixels of either kind, or a function that gives them", async () => {
    const reranker = await load();
    const given = page(5, 5, 3);
    const encoded = await reranker.encodePages([given, { ...given, rgba: new Uint8ClampedArray(given.rgba) }, () => given, async () => given]);
    for (const one of encoded) expect(one).toEqual(encoded[0]);
  });

  test("is cut into fewer tiles where its edge is to be shorter, and is its patches alone where that is wanted", async () => {
    const reranker = await load();
    const [encoded] = await reranker.encodePages([page(20, 10)], { longestEdge: 20, onlyPatches: true });
    expect(encoded).toMatchObject({ grid: [1, 1], embeddings: Float32Array.of(0, 1, 1, 1), patches: { mask: Uint8Array.of(1, 1) } });
  });

  test("that is a file is decoded in the worker, without colour conversion and turned as it says", async () => {
    const asked: unknown[] = [];
    vi.stubGlobal("createImageBitmap", async (_: Blob, options: unknown) => {
      asked.push(options);
      return { width: 4, height: 2, close: () => {} };
    });
    vi.stubGlobal("OffscreenCanvas", FakeCanvas);
    const [encoded] = await (await load()).encodePages([new Blob(["any"])]);
    expect(encoded).toMatchObject({ page: [4, 2], embeddings: Float32Array.of(-1, -1, 0, 8, 1, 8) });
    expect(asked).toEqual([{ colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" }]);
  });

  test.each<[string, unknown, string]>([
    ["no list", page(1, 1), "pages is an object; expected an array"],
    ["a word", ["a"], "pages[0] is a string; expected an image's Blob, an ImageBitmap, an ImageData, a canvas, an object of width, height and rgba, or a function that gives one"],
    ["something else", [page(1, 1), {}], "pages[1] is an object; expected an image's Blob, an ImageBitmap, an ImageData, a canvas, an object of width, height and rgba, or a function that gives one"],
    ["a function that gives something else", [() => 7], "pages[0] is a number; expected an image's Blob, an ImageBitmap, an ImageData, a canvas, an object of width, height and rgba, or a function that gives one"],
    ["a function that throws", [() => { throw new Error("secret"); }], "pages[0]: the function threw an error"],
    ["no width", [{ ...page(1, 1), width: 0 }], "pages[0].width is 0; expected a positive integer"],
    ["too few pixels", [{ ...page(2, 2), height: 3 }], "pages[0].rgba has 16 bytes; 2 × 3 pixels have 24"],
    ["pixels that are none", [{ ...page(1, 1), rgba: [1, 2, 3, 4] }], "pages[0].rgba is an array; expected a Uint8Array"],
    ["too many pixels", [{ ...page(1, 1), width: 100_000, height: 100_000 }], "pages[0] has 10,000,000,000 pixels; limits.pagePixels is 67,108,864"],
  ])("that is %s is refused", async (_, pages, message) => {
    await expect((await load()).encodePages(pages as never)).rejects.toThrow(expect.objectContaining({ message }));
    expect(engines[0]!.tiles).toEqual([]);
  });

  test("that does not decode, or says that it is enormous, is named", async () => {
    vi.stubGlobal("OffscreenCanvas", class {});
    vi.stubGlobal("createImageBitmap", () => Promise.reject(new DOMException("no", "InvalidStateError")));
    const reranker = await load();
    await expect(reranker.encodePages([page(1, 1), new Blob(["no image"])])).rejects.toThrow("pages[1] is no image that this browser decodes");
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 1, 0, 0, 0, 1, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0);
    await expect(reranker.encodePages([new Blob([png])])).rejects.toMatchObject({ code: "INPUT_TOO_LARGE", message: "pages[0] is 65536 × 65536 pixels; limits.pagePixels is 67,108,864" });
  });

  test("is nothing for a model that reads texts alone", async () => {
    stubWorkers(fakeModule());
    const reranker = await load();
    await expect(reranker.encodePages([page(1, 1)])).rejects.toThrow("the model, of the architecture bert, reads no pages");
    await expect(reranker.estimatePages([page(1, 1)])).rejects.toThrow("reads no pages");
  });
});

/** Whose pixels are all 8. */
class FakeCanvas {
  getContext() {
    return { drawImage: () => {}, getImageData: (_x: number, _y: number, width: number, height: number) => ({ data: new Uint8ClampedArray(4 * width * height).fill(8) }) };
  }
}

describe("several", () => {
  const MANY = [page(60, 30, 1), page(10, 10, 2), page(30, 70, 3)];

  test("have the tiles of each read by all workers, with the result of one", async () => {
    const expected = await (await load()).encodePages(MANY);
    stubEngines();
    const reranker = await load({ workers: 3 });
    await reranker.encodePages(MANY);
    await vi.waitFor(() => expect(engines).toHaveLength(3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const engine of engines) engine.beforeTile = () => new Promise((resolve) => setTimeout(resolve, 2));
    expect(await reranker.encodePages(MANY)).toEqual(expected);
    expect(engines.every(({ tiles }) => tiles.length > 0)).toBe(true);
  });

  test("are asked for in turn, so that no more than one is held beside the next", async () => {
    const reranker = await load();
    let last = -1;
    const held: number[] = [];
    const given: GivenPage[] = Array.from({ length: 6 }, (_, index) => () => {
      held.push(FakePicture.held);
      expect(index).toBe(++last);
      return page(20, 20, index);
    });
    expect(await reranker.encodePages(given)).toHaveLength(6);
    expect(Math.max(...held)).toBeLessThan(2);
    expect(FakePicture.held).toBe(0);
  });

  test("tell how far they are, and never that they are less far", async () => {
    const told: PagesProgress[] = [];
    await (await load()).encodePages(MANY, { onProgress: (progress) => told.push(progress) });
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).sort((a, b) => a - b));
    expect(told.at(-1)).toMatchObject({ phase: "encode", done: 3, total: 3 });
    const [{ tiles: { total } }] = told as [PagesProgress];
    expect(total).toBe(19);
    expect(told.filter(({ done, tiles }) => done === 0 && tiles.total === 19).map(({ tiles }) => tiles.done)).toEqual(Array.from({ length: 20 }, (_, tile) => tile));
  });

  test("end between two tiles where the call is aborted, and leave the worker to the next", async () => {
    const reranker = await load();
    const stopping = new AbortController();
    engines[0]!.beforeTile = (tile) => void (tile === 3 && stopping.abort());
    const calls = reranker.encodePages(MANY, { signal: stopping.signal });
    await expect(calls).rejects.toMatchObject({ name: "AbortError" });
    engines[0]!.beforeTile = () => {};
    expect(await reranker.encodePages([MANY[1]!])).toHaveLength(1);
    expect(engines[0]!.tiles.map(([, start, end]) => [start, end])).toEqual([[0, 19], [0, 2]]);
  });

  test("outlive a worker that dies with one", async () => {
    const expected = await (await load()).encodePages(MANY);
    stubEngines();
    const reranker = await load();
    engines[0]!.beforeTile = (tile) => {
      if (tile === 5) throw new WebAssembly.RuntimeError("a trap");
    };
    expect(await reranker.encodePages(MANY)).toEqual(expected);
    expect(engines).toHaveLength(2);
  });

  test("are none where there are none", async () => {
    expect(await (await load()).encodePages([])).toEqual([]);
  });
});

describe("the vector cache", () => {
  const cached = { vectorCache: { codec: "int8" } } as const;
  const count = () => engines[0]!.tiles.length;

  test("knows a page by its pixels, and gives what it gave the first time", async () => {
    const reranker = await load(cached);
    const first = await reranker.encodePages([page(20, 10, 5), page(10, 20, 5)]);
    expect([count(), first[0]!.codec, first[0]!.scales]).toEqual([2, "int8", new Float32Array(4).fill(1)]);
    expect(await reranker.encodePages([page(10, 20, 5), page(20, 10, 5)])).toEqual([...first].reverse());
    expect(count()).toBe(2);
  });

  test.each<[string, EncodePagesOptions]>([
    ["another edge", { longestEdge: 20 }],
    ["patches alone", { onlyPatches: true }],
    ["a call that wants none", { vectorCache: false }],
  ])("has nothing for %s", async (_, options) => {
    const reranker = await load(cached);
    await reranker.encodePages([page(20, 10)]);
    await reranker.encodePages([page(20, 10)], options);
    expect(count()).toBe(2);
  });

  test("is emptied", async () => {
    const reranker = await load(cached);
    await reranker.encodePages([page(20, 10)]);
    expect((await reranker.vectorCache.size()).memory).toBeGreaterThan(0);
    await reranker.vectorCache.clear();
    await reranker.encodePages([page(20, 10)]);
    expect(count()).toBe(2);
  });
});

describe("the page side of a bundle", () => {
  beforeEach(() => {
    stubBundle();
    stubEngines(false);
  });

  test("is fetched with the first page, once, and given to each worker", async () => {
    const reranker = await load({ workers: 3 });
    await reranker.rerank("it", ["a", "b"]);
    expect(requested("pages-")).toEqual([]);
    const told: PagesProgress[] = [];
    await reranker.encodePages([page(60, 60)], { onProgress: (progress) => told.push(progress) });
    expect(requested("pages-")).toHaveLength(1);
    expect(told.some(({ phase, bytes }) => phase === "fetch" && bytes.loaded === bytes.total && bytes.total > 300)).toBe(true);
    await vi.waitFor(() => expect(engines.filter(({ hasPages }) => hasPages)).toHaveLength(3));
    await reranker.encodePages([page(60, 60)]);
    expect(requested("pages-")).toHaveLength(1);
    expect(requested("weights-")).toHaveLength(1);
    for (const { pageFiles } of engines) expect(pageFiles).toEqual([["tabrank.json", "config.json", "pages-00001-of-00001.safetensors"]]);
  });

  test("stays in this browser, is listed by itself, and goes with the model", async () => {
    await (await load()).encodePages([page(1, 1)]);
    expect((await Reranker.cached()).map(({ part = "", complete }) => [part, complete]).sort()).toEqual([["", true], ["pages", true]]);
    const { length } = requested("pages-");
    await (await load()).encodePages([page(1, 1)]);
    expect(requested("pages-")).toHaveLength(length);
    expect(await Reranker.deleteCached("/model")).toBe(true);
    expect(await Reranker.cached()).toEqual([]);
  });

  test("is told of by a probe, and brought by a preload that wants it", async () => {
    expect((await Reranker.probe("/model")).model).toMatchObject({ stored: false, pages: { stored: false, bytes: 300 } });
    await Reranker.preload("/model", { wasmUrl: "/model/tabrank.wasm" });
    expect(requested("pages-")).toEqual([]);
    expect((await Reranker.probe("/model")).model).toMatchObject({ stored: true, pages: { stored: false, bytes: 300 } });
    expect(await Reranker.preload("/model", { wasmUrl: "/model/tabrank.wasm", pages: true })).toMatchObject({ stored: true });
    expect((await Reranker.probe("/model")).model).toMatchObject({ stored: true, pages: { stored: true } });
    const before = FakeServer.last!.requests.length;
    await (await load()).encodePages([page(1, 1)]);
    expect(FakeServer.last!.requests.slice(before)).toEqual(["tabrank.wasm", "tabrank.wasm"]);
  });

  test("that cannot be fetched fails the call, and the next tries again", async () => {
    const reranker = await load();
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("no", { status: 403 })));
    await expect(reranker.encodePages([page(1, 1)])).rejects.toMatchObject({ code: expect.stringMatching(/HTTP_STATUS|CHECKPOINT_INVALID|INTEGRITY_FAILED|NETWORK/) });
    stubBundle();
    expect(await reranker.encodePages([page(1, 1)])).toHaveLength(1);
  });
});

describe("an estimate", () => {
  test("counts tiles by sizes, measured by a blank page the first time and by what came before after that", async () => {
    const reranker = await load();
    const sizes = [{ width: 20, height: 10 }, page(10, 10)];
    const first = await reranker.estimatePages(sizes);
    expect(first).toMatchObject({ pages: 2, tiles: 5, measured: { by: "sample", tiles: 1 } });
    expect(first.milliseconds).toBeCloseTo(5 * first.measured.milliseconds);
    expect(engines[0]!.tiles.map(([, start, end]) => [start, end])).toEqual([[0, 1]]);
    await reranker.encodePages([page(10, 10)]);
    expect(await reranker.estimatePages(sizes, { longestEdge: 20 })).toMatchObject({ tiles: 4, measured: { by: "calls", tiles: 2 } });
  });

  test("of no size is refused", async () => {
    await expect((await load()).estimatePages([{ width: 1 }] as never)).rejects.toThrow("pages[0].height is undefined; expected a positive integer");
  });
});
