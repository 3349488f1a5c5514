import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cachedCall } from "../../src/page/cached-call.js";
import { DocumentCache, type Sought } from "../../src/page/document-cache.js";
import { packed, unpacked } from "../../src/page/packed-vectors.js";
import type { WorkerClient } from "../../src/page/worker-client.js";
import type { KeptCodec, KeptVectors, RerankAnswer, RerankRequest, VectorGroup } from "../../src/protocol.js";
import type { Device } from "../../src/types.js";
import { INFO } from "../support/engine.js";

const DIMENSION = 2;

const SETTINGS = { codec: "int8" as KeptCodec, maxBytes: 10_000, persist: false };

/** A document's codes are its length and what the device adds, a row for each letter: so a score tells which codes it was made of. */
class FakeClient {
  device: Device = "cpu";
  readonly asked: RerankRequest[] = [];
  /** Called before a call is answered; may throw. */
  before: () => void = () => {};

  async call(_name: "rerank", request: RerankRequest): Promise<RerankAnswer> {
    this.asked.push(structuredClone(request));
    this.before();
    const { texts, vectors = [], keep } = request;
    const places = texts.map((_, place) => place).filter((place) => !vectors.some((group) => group.places.includes(place)));
    const firsts = places.filter((place) => texts.indexOf(texts[place]!) === place);
    const kept = this.#encoded(texts, firsts, keep!);
    const truncated = Uint8Array.from(texts, (text, place) => (places.includes(place) && text.length > 4 ? 1 : 0));
    const scores = Float32Array.from(texts, (text, place) => scoreOf([...vectors, kept], places.includes(place) ? texts.indexOf(text) : place));
    return {
      indices: Uint32Array.from(texts.keys()),
      scored: texts.length,
      unscored: 0,
      scores,
      ranks: new Uint32Array(texts.length),
      sameAs: Uint32Array.from(texts, (text) => texts.indexOf(text)),
      queryTruncated: false,
      truncated,
      ...(request.explain && { explanations: texts.map((_, place) => ({ score: scores[place]!, queryTruncated: false, truncated: truncated[place] === 1, matches: [] })) }),
      ...(keep && { kept }),
      warnings: [],
      timings: { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0, stages: [] },
      cost: { tokens: 0, pairs: 0 },
    };
  }

  #encoded(texts: string[], places: number[], codec: KeptCodec): KeptVectors {
    const lengths = Uint32Array.from(places, (place) => texts[place]!.length);
    const own = this.device === "cpu" ? 0 : 100;
    const codes = Uint8Array.from(places.flatMap((place) => Array<number>(texts[place]!.length * DIMENSION).fill(texts[place]!.length + own)));
    const scales = Float32Array.from(places.flatMap((place) => Array<number>(texts[place]!.length).fill(0.5)));
    return { codec, dimension: DIMENSION, lengths, places: Uint32Array.from(places), codes, scales, truncated: Uint8Array.from(places, (place) => (texts[place]!.length > 4 ? 1 : 0)) };
  }
}

/** The sum of a document's codes, each times its row's scale. */
function scoreOf(groups: VectorGroup[], place: number): number {
  const group = groups.find(({ places }) => places.includes(place))!;
  const at = group.places.indexOf(place);
  const start = group.lengths.slice(0, at).reduce((sum, length) => sum + length, 0);
  const rows = Array.from({ length: group.lengths[at]! }, (_, row) => start + row);
  return rows.reduce((sum, row) => sum + group.scales![row]! * (group.codes[row * DIMENSION]! + group.codes[row * DIMENSION + 1]!), 0);
}

let client: FakeClient;
let cache: DocumentCache;
let failures: unknown[];

const opened = (settings: Partial<typeof SETTINGS> = {}) => new DocumentCache({ ...INFO, dimension: DIMENSION }, { ...SETTINGS, ...settings }, (error) => failures.push(error));

beforeEach(() => {
  vi.stubGlobal("indexedDB", new IDBFactory());
  client = new FakeClient();
  failures = [];
  cache = opened();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

interface Document {
  text?: string;
  id?: string;
}

async function ask(documents: (string | Document)[], more: Partial<RerankRequest> = {}, by = cache) {
  const asDocument = (document: string | Document) => (typeof document === "string" ? { text: document } : document);
  const sought = documents.map((document, place): Sought => ({ place, index: place + 10, ...asDocument(document) }));
  const request = { query: "q", texts: sought.map(({ text = "" }) => text), stages: [{ use: "late" }], base: 0, topK: 9, explain: false, profile: false, ...more } as RerankRequest;
  const { answer, counts } = await cachedCall(client as unknown as WorkerClient, by, request, sought, by.store.era, {});
  return { ...answer, counts, kept: undefined };
}

/** Texts that the last call left to be encoded. */
function encoded(): string[] {
  const { texts, vectors = [] } = client.asked.at(-1)!;
  return texts.filter((_, place) => !vectors.some(({ places }) => places.includes(place)));
}

describe("a list", () => {
  test("that was ranked before is not encoded again, and one that overlaps only where it is new", async () => {
    expect((await ask(["a", "bb", "ccc"])).counts).toEqual({ hits: 0, misses: 3 });
    expect((await ask(["ccc", "a", "bb"])).counts).toEqual({ hits: 3, misses: 0 });
    expect(encoded()).toEqual([]);
    expect((await ask(["bb", "dddd", "a"])).counts).toEqual({ hits: 2, misses: 1 });
    expect(encoded()).toEqual(["dddd"]);
  });

  test("has the same answer whatever was asked before, and after it was forgotten", async () => {
    const documents = ["a", "bb", "long one", "bb", ""];
    const { counts: _, ...cold } = await ask(documents, { explain: true });
    const answers = [await ask(documents, { explain: true })];
    await cache.store.clear();
    await ask(["bb", "long one"]);
    answers.push(await ask(documents, { explain: true }));
    cache = opened({ maxBytes: 600 });
    answers.push(await ask(documents, { explain: true }), await ask(documents, { explain: true }));
    expect(answers.map(({ counts }) => counts.hits)).toEqual([5, 3, 0, 1]);
    expect(cold.truncated).toEqual(Uint8Array.of(0, 0, 1, 0, 0));
    for (const { counts: _, ...answer } of answers) expect(answer).toEqual(cold);
  });

  test("with texts that are the same: each is looked for once, kept once, and counted for itself", async () => {
    await ask(["bb", "a", "bb"]);
    const { memory } = await cache.store.size();
    cache = opened();
    await ask(["bb", "a"]);
    expect(await cache.store.size()).toMatchObject({ memory });
    expect((await ask(["bb", "bb"])).counts).toEqual({ hits: 2, misses: 0 });
  });

  test("that brings embeddings along for some has the others looked for", async () => {
    await ask(["a"]);
    const own: VectorGroup = { codec: "f32", dimension: DIMENSION, lengths: Uint32Array.of(1), places: Uint32Array.of(1), codes: new Uint8Array(8) };
    const sought = [{ place: 0, index: 0, text: "a" }];
    const request = { query: "q", texts: ["a", ""], vectors: [own], stages: [], base: 0, topK: 9, explain: false, profile: false };
    vi.spyOn(client, "call").mockImplementation(async (_, asked) => (client.asked.push(asked), { indices: new Uint32Array(), truncated: new Uint8Array() }) as never);
    await cachedCall(client as unknown as WorkerClient, cache, request, sought, cache.store.era, {});
    expect(client.asked.at(-1)!.vectors!.map(({ codec, places }) => [codec, ...places])).toEqual([["f32", 1], ["int8", 0]]);
  });
});

describe("what is kept", () => {
  const circumstances: Record<string, () => Promise<unknown>> = {
    "another device": () => (client.device = "webgpu", ask(["a"])),
    "windows": () => ask(["a"], { windows: { maxWindows: 2 } }),
    "token pooling": () => ask(["a"], { tokenPooling: { factor: 2 } }),
    "another codec": () => ask(["a"], {}, opened({ codec: "f16", persist: true })),
    "another model": () => ask(["a"], {}, new DocumentCache({ ...INFO, embeddingId: "v1-other" }, { ...SETTINGS, persist: true }, () => {})),
  };
  for (const [what, again] of Object.entries(circumstances)) {
    test(`is not found in other circumstances: ${what}`, async () => {
      cache = opened({ persist: true });
      await ask(["a"]);
      await cache.store.size();
      expect(await again()).toMatchObject({ counts: { hits: 0, misses: 1 } });
      expect(encoded()).toEqual(["a"]);
    });
  }

  test("outlives the page, with what says whether a text was cut", async () => {
    cache = opened({ persist: true });
    await ask(["long one", "a"]);
    await cache.store.size();
    cache = opened({ persist: true });
    const { counts, truncated } = await ask(["a", "long one"]);
    expect([counts, [...truncated]]).toEqual([{ hits: 2, misses: 0 }, [0, 1]]);
  });

  test("is nothing of a call that failed", async () => {
    client.before = () => {
      throw new Error("the call was aborted");
    };
    await expect(ask(["a"])).rejects.toThrow("aborted");
    client.before = () => {};
    expect((await ask(["a"])).counts).toEqual({ hits: 0, misses: 1 });
  });

  test("is nothing of a text: neither in memory nor in storage", async () => {
    cache = opened({ persist: true });
    await ask([{ text: "canary", id: "canary's id" }]);
    await cache.store.size();
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("tabrank-vectors-v1");
      request.onsuccess = () => resolve(request.result);
    });
    const stores = [...database.objectStoreNames];
    const all = stores.map((name) => {
      const store = database.transaction(name).objectStore(name);
      return Promise.all([store.getAllKeys(), store.getAll()].map((request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)))));
    });
    const found = JSON.stringify(await Promise.all(all));
    expect(found).toContain("/text/");
    expect(found).not.toContain("canary");
  });

  test("and is not what was packed is encoded again", async () => {
    await ask(["a"]);
    const { keys } = await cache.find([{ place: 0, index: 0, text: "a" }], { device: "cpu" }, cache.store.era);
    cache.store.keep(new Map([[keys.get(0)!, new Uint8Array(11)]]), cache.store.era);
    expect((await ask(["a"])).counts).toEqual({ hits: 0, misses: 1 });
    expect((await ask(["a"])).counts).toEqual({ hits: 1, misses: 0 });
  });
});

describe("a GPU that is lost in the middle of a call", () => {
  const lose = () => {
    client.device = "cpu";
  };

  test("leaves no score to the embeddings that it made: the call is made again", async () => {
    const { scores } = await ask(["a", "bb"], {}, opened());
    client.device = "webgpu";
    await ask(["a"]);
    client.before = lose;
    const after = await ask(["a", "bb"]);
    expect(after.counts).toEqual({ hits: 0, misses: 2 });
    expect(after.scores).toEqual(scores);
    expect((await ask(["a", "bb"])).counts).toEqual({ hits: 2, misses: 0 });
  });

  test("has its answer at once where it made none of them, of which nothing is kept", async () => {
    client.device = "webgpu";
    client.before = lose;
    await ask(["a"]);
    expect(client.asked).toHaveLength(1);
    expect((await ask(["a"])).counts).toEqual({ hits: 0, misses: 1 });
  });
});

describe("a document with an id", () => {
  test("needs no text once it was ranked with one", async () => {
    const { scores } = await ask([{ id: "one", text: "a" }, { id: "two", text: "bb" }, { text: "ccc" }]);
    const again = await ask([{ id: "two" }, { id: "one" }]);
    expect([...again.scores]).toEqual([scores[1], scores[0]]);
    expect(again.counts).toEqual({ hits: 2, misses: 0 });
  });

  test("is the one of the text that it had last, also after a visit", async () => {
    cache = opened({ persist: true });
    await ask([{ id: "one", text: "a" }]);
    const { scores } = await ask([{ id: "one", text: "bb" }]);
    await ask([{ id: "other", text: "bb" }]);
    await cache.store.size();
    cache = opened({ persist: true });
    expect((await ask([{ id: "one" }])).scores).toEqual(scores);
    expect((await ask([{ id: "other" }])).scores).toEqual(scores);
  });

  test("that is not known fails before anything is sent, with all places", async () => {
    await ask([{ id: "one", text: "a" }]);
    client.asked.length = 0;
    await expect(ask([{ id: "one" }, { id: "two" }, { text: "a" }, { id: "three" }])).rejects.toMatchObject({
      code: "NOT_CACHED",
      message: 'documents[11] (id "two") has no text, and the vector cache has no embeddings of it, nor of 1 more',
      details: { documents: [11, 13] },
    });
    expect(client.asked).toEqual([]);
  });

  test("on another device is not known", async () => {
    await ask([{ id: "one", text: "a" }]);
    client.device = "webgpu";
    await expect(ask([{ id: "one" }])).rejects.toMatchObject({ code: "NOT_CACHED" });
  });
});

test("without hashes, outside of a secure context, calls go on, and score from the same codes", async () => {
  const { scores } = await ask(["a", "bb"], {}, opened());
  vi.stubGlobal("crypto", {});
  for (const _ of [1, 2]) expect(await ask(["a", "bb"])).toMatchObject({ scores, counts: { hits: 0, misses: 2 } });
  expect(client.asked.at(-1)!.keep).toBe("int8");
  expect(failures.length).toBeGreaterThan(0);
});

describe("packed embeddings", () => {
  const codings = [{ codec: "f32", bytes: 12 }, { codec: "f16", bytes: 6 }, { codec: "int8", bytes: 3 }, { codec: "binary", bytes: 1 }] as const;
  for (const { codec, bytes } of codings) {
    test(`of ${codec} come out as they went in, each by itself`, () => {
      const lengths = Uint32Array.of(2, 0, 1);
      const codes = Uint8Array.from({ length: 3 * bytes }, (_, place) => place + 1);
      const scales = Float32Array.of(0.5, 0.25, 2);
      const parts = packed({ codec, dimension: 3, lengths, places: Uint32Array.of(0, 1, 2), codes, ...(codec === "int8" && { scales }), truncated: Uint8Array.of(0, 1, 0) });
      const [one, none, other] = parts.map((part) => unpacked(part, { codec, dimension: 3 })!);
      expect([one, none, other].map((each) => [each!.rows, each!.truncated])).toEqual([[2, false], [0, true], [1, false]]);
      expect([...one!.codes, ...none!.codes, ...other!.codes]).toEqual([...codes]);
      if (codec === "int8") expect([...one!.scales!, ...none!.scales!, ...other!.scales!]).toEqual([...scales]);
      for (const part of parts) {
        expect(unpacked(part.slice(1) as never, { codec, dimension: 3 })).toBeUndefined();
        if (part !== parts[1]) expect(unpacked(part, { codec, dimension: 40 })).toBeUndefined();
      }
    });
  }
});
