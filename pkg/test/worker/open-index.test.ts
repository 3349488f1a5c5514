import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { IndexLocation } from "../../src/protocol.js";
import { clearIndexes } from "../../src/storage/index-cache.js";
import type { Warning } from "../../src/types.js";
import { OpenIndex } from "../../src/worker/open-index.js";
import { FakeIndex, indexFiles, served } from "../support/search-index.js";
import { type Answer, FakeServer, html, hurry, networkError, ok, pieces, status } from "../support/server.js";
import { type FakeCache, stubStorage } from "../support/storage.js";

const FILES = indexFiles();
const CODEC = ["index.json", "codec-1", "codec-2"];
const PARTS = Object.keys(FILES).filter((file) => file !== "index.json");
const WRONG = Uint8Array.from(FILES["documents-a"]!, (byte) => byte ^ 1);

let storage: FakeCache;
let warnings: Warning[];
let progress: [number, number][];

const serve = (files: Record<string, Answer | Answer[]> = {}) => new FakeServer({ ...served(FILES), ...files });

interface Opening extends Partial<IndexLocation> {
  all?: boolean;
}

function open({ all = false, ...location }: Opening = {}): Promise<OpenIndex> {
  const url = "https://host/model/";
  const place = { url, source: url, headers: {}, cache: "use", ...location } as const;
  return OpenIndex.open({ SearchIndex: FakeIndex }, { location: place, all }, { progress: (...step) => progress.push(step), warn: (warning) => warnings.push(warning) });
}

const search = (index: OpenIndex, list = 1, signal = new AbortController().signal) => index.search({ query: Float32Array.of(list, 0), topK: 2 }, signal, () => {});

/** Of a page that has searched, what it has read. */
async function visit(list = 1): Promise<void> {
  await search(await open(), list);
  const read = list === 1 ? ["lists-1", "documents-a", "documents-b"] : ["lists-2", "documents-b", "documents-c"];
  await vi.waitFor(() => expect(storage.names).toEqual(expect.arrayContaining(read)));
}

beforeEach(() => {
  storage = stubStorage();
  vi.stubGlobal("navigator", {});
  hurry();
  warnings = [];
  progress = [];
});
afterEach(() => vi.unstubAllGlobals());

describe("an index that is fetched as it is probed", () => {
  test("asks for the codec when it is opened, then for what a query leads to, each file once", async () => {
    const server = serve();
    const index = await open();
    expect(server.requests).toEqual(CODEC);
    expect(await search(index)).toMatchObject({ ids: ["b", "page a:page_1"], scores: Float32Array.of(5, 3), fetched: { parts: 3 }, read: { parts: 3 } });
    expect(server.requests.slice(3).sort()).toEqual(["documents-a", "documents-b", "lists-1"]);
    const bytes = ["lists-2", "documents-c"].reduce((sum, file) => sum + FILES[file]!.length, 0);
    expect(await search(index, 2)).toMatchObject({ ids: ["d", "b"], fetched: { parts: 2, bytes }, read: { parts: 3, bytes: bytes + FILES["documents-b"]!.length } });
    expect(await search(index)).toMatchObject({ fetched: { parts: 0, bytes: 0 }, read: { parts: 3 } });
    expect(server.requests).toHaveLength(8);
    expect(FakeIndex.open).toBe(0);
  });

  test("asks the next time for the manifest alone, and does without it where the server is not reached", async () => {
    serve();
    await visit();
    const server = serve();
    await search(await open());
    expect(server.requests).toEqual(["index.json"]);
    serve({ "index.json": networkError });
    expect(await search(await open())).toMatchObject({ ids: ["b", "page a:page_1"], fetched: { parts: 0 } });
    await expect(search(await open(), 2)).resolves.toMatchObject({ fetched: { parts: 2 } });
  });

  test("lets go of what only an earlier state had", async () => {
    serve();
    await visit();
    const old = storage.addressOf("documents-a");
    const kept = storage.addressOf("documents-b");
    const files = indexFiles({}, { "documents-a": [["newer", 9]] });
    const server = new FakeServer(served(files));
    expect(await search(await open())).toMatchObject({ ids: ["newer", "b"] });
    expect(server.requests).toEqual(["index.json", "documents-a"]);
    expect(storage.entries.has(old)).toBe(false);
    expect(storage.entries.has(kept)).toBe(true);
    expect(storage.sets).toHaveLength(1);
  });

  test("has six requests under way at most", async () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, place) => [`documents-${place}`, [[`${place}`, place]]]));
    const files = indexFiles({}, { ...many, "lists-1": Object.keys(many) });
    let now = 0;
    let most = 0;
    const slow = (bytes: Uint8Array<ArrayBuffer>): Answer => async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 500));
      now--;
      return ok(bytes)() as Response;
    };
    new FakeServer({ ...served(files), ...Object.fromEntries(Object.keys(many).map((file) => [file, slow(files[file]!)])) });
    expect(await search(await open())).toMatchObject({ ids: ["19", "18"], fetched: { parts: 21 } });
    expect(most).toBe(6);
  });

  test("keeps what a search that was cancelled had asked for, and asks for nothing more", async () => {
    let answer = () => {};
    const waited = new Promise<void>((resolve) => (answer = resolve));
    const server = serve({ "documents-a": async () => (await waited, ok(FILES["documents-a"]!)() as Response) });
    const index = await open();
    const controller = new AbortController();
    const cancelled = search(index, 1, controller.signal);
    await vi.waitFor(() => expect(server.requests).toContain("documents-a"));
    controller.abort(new Error("another question"));
    await expect(cancelled).rejects.toThrow("another question");
    const next = search(index);
    answer();
    expect(await next).toMatchObject({ ids: ["b", "page a:page_1"] });
    expect(server.requests.filter((file) => file === "documents-a")).toHaveLength(1);
    expect(FakeIndex.open).toBe(0);
  });
});

describe("an index that is fetched as a whole", () => {
  test("asks for everything when it is opened, in the manifest's order, and then for nothing, whatever storage forgets", async () => {
    const server = serve();
    const index = await open({ all: true });
    expect(server.requests).toEqual(["index.json", ...PARTS]);
    storage.entries.clear();
    expect(await search(index)).toMatchObject({ ids: ["b", "page a:page_1"], fetched: { parts: 0 }, read: { parts: 3 } });
    expect(await search(index, 2)).toMatchObject({ fetched: { parts: 0 } });
    expect(server.requests).toHaveLength(1 + PARTS.length);
    const total = PARTS.reduce((sum, file) => sum + FILES[file]!.length, 0);
    expect(progress.at(-1)).toEqual([total, total]);
    expect(progress).toHaveLength(PARTS.length);
  });

  test("asks the next time for the manifest alone", async () => {
    serve();
    await open({ all: true });
    const server = serve();
    await search(await open({ all: true }), 2);
    expect(server.requests).toEqual(["index.json"]);
  });

  test("checks what no search has wanted yet", async () => {
    serve({ "documents-a": ok(WRONG) });
    await expect(open({ all: true })).rejects.toMatchObject({ code: "INTEGRITY_FAILED", message: expect.stringContaining("documents-a") as string });
  });
});

describe("storage that fails", () => {
  test("is warned of once, and done without", async () => {
    serve();
    storage.refuse = () => true;
    const index = await open();
    expect(await search(index)).toMatchObject({ ids: ["b", "page a:page_1"] });
    expect(warnings).toMatchObject([{ code: "CACHE_UNAVAILABLE" }]);
    expect(warnings[0]!.message).toMatch(/QuotaExceededError/);
  });

  test("of damaged parts has them fetched again", async () => {
    serve();
    await visit();
    storage.of("documents-a").bytes[0]! ^= 1;
    const server = serve();
    expect(await search(await open())).toMatchObject({ ids: ["b", "page a:page_1"], fetched: { parts: 1 } });
    expect(server.requests).toEqual(["index.json", "documents-a"]);
  });

  test.each([["that is not there", undefined], ["that is to be left alone", "off" as const]])("%s keeps nothing", async (_, cache) => {
    if (!cache) vi.stubGlobal("caches", undefined);
    serve();
    await search(await open(cache && { cache }));
    expect(storage.entries.size).toBe(0);
    expect(warnings).toEqual([]);
  });

  test("clears what it holds of one index, or of all", async () => {
    serve();
    await open();
    await open({ url: "https://host/model/?v=2", source: "https://host/model/" });
    expect(storage.sets).toHaveLength(2);
    expect(await clearIndexes("https://host/other/")).toBe(false);
    expect(await clearIndexes("https://host/model/")).toBe(true);
    expect(storage.entries.size).toBe(0);
    expect(await clearIndexes()).toBe(false);
  });
});

describe("a host that fails", () => {
  const cases: [string, string, Answer, object][] = [
    ["has no manifest", "index.json", status(404), { code: "HTTP_STATUS", hint: expect.stringContaining("index.json") as string }],
    ["has a page in the manifest's place", "index.json", html, { code: "INTEGRITY_FAILED", hint: expect.stringContaining("the index's folder") as string }],
    ["has an endless manifest", "index.json", ok(new Uint8Array(16 * 1024 * 1024 + 1).fill(32)), { code: "INTEGRITY_FAILED" }],
    ["refuses a part", "documents-a", status(403), { code: "HTTP_STATUS", details: { status: 403 } }],
    ["lacks a part", "documents-a", status(404), { code: "HTTP_STATUS", hint: expect.stringContaining("open it again") as string }],
    ["has a page in a part's place", "documents-a", html, { code: "INTEGRITY_FAILED" }],
    ["has another part in its place", "documents-a", ok(WRONG), { code: "INTEGRITY_FAILED" }],
    ["cuts a part", "documents-a", ok(FILES["documents-a"]!.slice(0, -1)), { code: "INTEGRITY_FAILED" }],
    ["sends more than a part", "documents-a", ok(Uint8Array.of(...FILES["documents-a"]!, 0)), { code: "INTEGRITY_FAILED" }],
    ["breaks a part off", "documents-a", pieces([new Error("reset")]), { code: "NETWORK" }],
  ];

  test.each(cases)("%s", async (_, file, answer, error) => {
    serve({ [file]: answer });
    const searched = open().then((index) => search(index));
    await expect(searched).rejects.toMatchObject({ ...error, message: expect.stringContaining(file) as string });
  });

  test("once is asked again, past a cache that holds something else too", async () => {
    const server = serve({ "documents-a": [status(503), ok(FILES["documents-a"]!)], "documents-b": [ok(Uint8Array.from(FILES["documents-b"]!, () => 0)), ok(FILES["documents-b"]!)] });
    expect(await search(await open())).toMatchObject({ ids: ["b", "page a:page_1"] });
    const places = server.requests.flatMap((file, place) => (file === "documents-b" ? [place] : []));
    expect(places.map((place) => server.inits[place]!.cache)).toEqual(["default", "reload"]);
    expect(server.inits[server.requests.indexOf("index.json")]!.cache).toBe("no-cache");
  });

  test("is sent the same headers and the same query for each file", async () => {
    const server = serve();
    await search(await open({ url: "https://host/model/?token=1", headers: { authorization: "Bearer x" } }));
    expect(server.urls).toHaveLength(6);
    for (const [place, url] of server.urls.entries()) {
      expect(new URL(url).search).toBe("?token=1");
      expect(new Headers(server.inits[place]!.headers).get("authorization")).toBe("Bearer x");
    }
  });
});
