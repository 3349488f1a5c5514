import { IDBFactory, IDBObjectStore } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Bytes } from "../../src/files.js";
import { answerTo, endOf } from "../../src/storage/transactions.js";
import { VectorCache } from "../../src/storage/vector-cache.js";
import { DATABASE } from "../../src/storage/vector-database.js";

/** Bytes that an entry of a hundred counts for in memory. */
const COST = 612;

let failures: unknown[];

const entry = (fill: number, length = 100): Bytes => new Uint8Array(length).fill(fill);
const open = (most = 1000, persist = true) => new VectorCache(most, persist, (error) => failures.push(error));

/** Keeps entries under their own names, a hundred times the same byte each. */
async function keep(cache: VectorCache, ...fills: number[]): Promise<void> {
  cache.keep(new Map(fills.map((fill) => [String(fill), entry(fill)])), cache.era);
  await cache.size();
}

/** The first byte of what is found. */
async function find(cache: VectorCache, ...fills: number[]): Promise<(number | undefined)[]> {
  return (await cache.find(fills.map(String))).map((bytes) => bytes?.[0]);
}

/** Does something to the database from outside. */
async function tamper(task: (stores: Record<"vectors" | "uses" | "totals", globalThis.IDBObjectStore>) => void): Promise<void> {
  const database = await answerTo(indexedDB.open(DATABASE, 1));
  const transaction = database.transaction(["vectors", "uses", "totals"], "readwrite");
  const [vectors, uses, totals] = [...transaction.objectStoreNames].sort().reverse().map((name) => transaction.objectStore(name));
  task({ vectors: vectors!, uses: uses!, totals: totals! });
  await endOf(transaction);
  database.close();
}

beforeEach(() => {
  failures = [];
  vi.stubGlobal("indexedDB", new IDBFactory());
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("in memory", () => {
  test("what was not used for longest goes first", async () => {
    const cache = open(3 * COST, false);
    await keep(cache, 1, 2, 3);
    expect(await find(cache, 1)).toEqual([1]);
    await keep(cache, 4);
    expect(await find(cache, 1, 2, 3, 4)).toEqual([1, undefined, 3, 4]);
    expect(await cache.size()).toEqual({ memory: 3 * COST, stored: 0 });
  });

  test("what is larger than all may be is not kept, and moves nothing out", async () => {
    const cache = open(COST, false);
    await keep(cache, 1);
    cache.keep(new Map([["large", entry(2, 101)]]), cache.era);
    expect((await cache.find(["1", "large"])).map((bytes) => bytes?.[0])).toEqual([1, undefined]);
  });

  test("an entry that is kept again counts once", async () => {
    const cache = open(2 * COST, false);
    await keep(cache, 1);
    await keep(cache, 1);
    expect(await cache.size()).toEqual({ memory: COST, stored: 0 });
  });

  test("alone: no database is made", async () => {
    await keep(open(1000, false), 1);
    expect(await indexedDB.databases()).toEqual([]);
  });
});

describe("in storage", () => {
  test("entries outlive the page", async () => {
    await keep(open(), 1, 2);
    expect(await find(open(), 1, 2, 3)).toEqual([1, 2, undefined]);
    expect(failures).toEqual([]);
  });

  test("what was not used for longest goes first, wherever it was used", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    for (const fill of [1, 2, 3]) {
      await keep(open(300), fill);
      vi.setSystemTime(Date.now() + 1);
    }
    const other = open(300);
    await find(other, 1);
    vi.setSystemTime(Date.now() + 1);
    await keep(other, 4);
    expect((await other.size()).stored).toBe(300);
    expect(await find(open(300), 1, 2, 3, 4)).toEqual([1, undefined, 3, 4]);
  });

  test("what is found in memory counts as used", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const cache = open(200);
    await keep(cache, 1);
    vi.setSystemTime(Date.now() + 1);
    await keep(cache, 2);
    vi.setSystemTime(Date.now() + 1);
    await find(cache, 1);
    await cache.size();
    vi.setSystemTime(Date.now() + 1);
    await keep(cache, 3);
    expect(await find(open(200), 1, 2, 3)).toEqual([1, undefined, 3]);
  });

  test("what is larger than all may be is not stored, and moves nothing out", async () => {
    const cache = open(100);
    await keep(cache, 1);
    cache.keep(new Map([["large", entry(2, 101)]]), cache.era);
    await cache.size();
    expect(await find(open(100), 1)).toEqual([1]);
  });

  test("two tabs that write the same and other entries at once lose none, and count each once", async () => {
    const [one, other] = [open(), open()];
    await Promise.all([keep(one, 1, 2, 3), keep(other, 3, 4, 5), keep(one, 6), keep(other, 6, 7)]);
    expect(await find(open(), 1, 2, 3, 4, 5, 6, 7)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect((await open().size()).stored).toBe(700);
    expect(failures).toEqual([]);
  });

  test("two tabs with little room hold the same bounds", async () => {
    const [one, other] = [open(250), open(250)];
    await Promise.all([1, 2, 3, 4].flatMap((fill) => [keep(one, fill), keep(other, fill + 10)]));
    expect((await open(250).size()).stored).toBe(200);
  });

  const damages: Record<string, (vectors: globalThis.IDBObjectStore) => void> = {
    "another byte": (vectors) => {
      vectors.get("1").onsuccess = ({ target }) => {
        const { result } = target as IDBRequest<{ bytes: Bytes }>;
        result.bytes[50]! ^= 1;
        vectors.put(result, "1");
      };
    },
    "fewer bytes": (vectors) => {
      vectors.get("1").onsuccess = ({ target }) => {
        const { result } = target as IDBRequest<{ bytes: Bytes }>;
        vectors.put({ ...result, bytes: result.bytes.slice(1) }, "1");
      };
    },
    "no bytes": (vectors) => vectors.put({ bytes: "text", sha256: "" }, "1"),
    "nothing like it": (vectors) => vectors.put(null, "1"),
  };
  for (const [damage, task] of Object.entries(damages)) {
    test(`an entry that is damaged, ${damage}: is dropped, and the others stay`, async () => {
      await keep(open(), 1, 2);
      await tamper(({ vectors }) => task(vectors));
      expect(await find(open(), 1, 2)).toEqual([undefined, 2]);
      expect((await open().size()).stored).toBe(100);
      const cache = open();
      await keep(cache, 1);
      expect(await find(open(), 1, 2)).toEqual([1, 2]);
      expect(failures).toEqual([]);
    });
  }

  test("a count that is damaged is right again once all has gone", async () => {
    await keep(open(), 1);
    await tamper(({ totals }) => totals.put(1e9, "bytes"));
    await keep(open(), 2);
    expect((await open().size()).stored).toBe(0);
    await keep(open(), 3);
    expect(await find(open(), 1, 2, 3)).toEqual([undefined, undefined, 3]);
    expect((await open().size()).stored).toBe(100);
  });
});

describe("storage that fails", () => {
  const faults: Record<string, () => void> = {
    "is not there": () => vi.stubGlobal("indexedDB", undefined),
    "is denied at once": () => vi.stubGlobal("indexedDB", { open: () => { throw new DOMException("denied", "SecurityError"); } }),
    "is denied later": () => vi.stubGlobal("indexedDB", { open: () => failing("InvalidStateError") }),
  };
  for (const [fault, strike] of Object.entries(faults)) {
    test(`${fault}: memory serves`, async () => {
      strike();
      const cache = open();
      await keep(cache, 1);
      expect(await find(cache, 1, 2)).toEqual([1, undefined]);
      expect((await cache.size()).stored).toBe(0);
      await expect(cache.clear()).rejects.toThrow();
      expect(failures.length).toBeGreaterThan(0);
    });
  }

  test("gives no answer: it is waited for once, half a second, and asked again after it has answered", async () => {
    await keep(open(), 1);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const { get } = IDBObjectStore.prototype;
    vi.spyOn(IDBObjectStore.prototype, "get").mockImplementation(function (this: IDBObjectStore, key) {
      const request = get.call(this, key);
      const slow = { result: undefined as unknown, onsuccess: () => {} };
      request.onsuccess = () => void held.then(() => Object.assign(slow, { result: request.result }).onsuccess());
      return slow as never;
    });
    const cache = open();
    const begin = performance.now();
    expect(await find(cache, 1)).toEqual([undefined]);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(failures).toMatchObject([{ name: "TimeoutError" }]);
    const again = performance.now();
    expect(await find(cache, 1)).toEqual([undefined]);
    expect(performance.now() - again).toBeLessThan(100);
    letGo();
    vi.restoreAllMocks();
    await vi.waitFor(async () => expect(await find(cache, 1)).toEqual([1]));
    expect(failures).toHaveLength(1);
  });

  test("has no room: what there is stays within half of it, and memory serves", async () => {
    await keep(open(), 1, 2, 3, 4);
    const cache = open(10_000);
    const { put } = IDBObjectStore.prototype;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, value, key) {
      if (this.name === "vectors") throw new DOMException("full", "QuotaExceededError");
      return put.call(this, value, key);
    });
    await keep(cache, 5);
    vi.restoreAllMocks();
    expect(failures).toMatchObject([{ name: "QuotaExceededError" }]);
    expect(await find(cache, 5)).toEqual([5]);
    expect((await cache.size()).stored).toBe(200);
    await keep(cache, 6);
    expect((await cache.size()).stored).toBe(200);
    expect(failures).toHaveLength(1);
  });

  test("is deleted by another page: that page need not wait, and what comes is stored anew", async () => {
    const cache = open();
    await keep(cache, 1);
    await answerTo(indexedDB.deleteDatabase(DATABASE));
    expect(await find(cache, 1)).toEqual([1]);
    await keep(cache, 2);
    expect(await find(open(), 1, 2)).toEqual([undefined, 2]);
    expect(failures).toEqual([]);
  });
});

describe("what is cleared", () => {
  test("is gone from memory and storage, for all tabs", async () => {
    const cache = open();
    await keep(cache, 1);
    await cache.clear();
    expect(await cache.size()).toEqual({ memory: 0, stored: 0 });
    expect(await find(cache, 1)).toEqual([undefined]);
    expect(await find(open(), 1)).toEqual([undefined]);
  });

  test("is not kept by a call that began before", async () => {
    const cache = open();
    const { era } = cache;
    const finding = find(cache, 1);
    await cache.clear();
    expect(await finding).toEqual([undefined]);
    cache.keep(new Map([["1", entry(1)]]), era);
    expect(await cache.size()).toEqual({ memory: 0, stored: 0 });
  });

  test("stays away though it was about to be written", async () => {
    const cache = open();
    cache.keep(new Map([["1", entry(1)]]), cache.era);
    await cache.clear();
    expect(await find(open(), 1)).toEqual([undefined]);
  });

  test("may be one entry", async () => {
    const cache = open();
    await keep(cache, 1, 2);
    cache.drop(["1"]);
    expect(await find(cache, 1, 2)).toEqual([undefined, 2]);
    expect(await find(open(), 1, 2)).toEqual([undefined, 2]);
  });
});

/** A request that fails a moment later. */
function failing(name: string): IDBOpenDBRequest {
  const request = { error: new DOMException("denied", name), onerror: () => {} };
  setTimeout(() => request.onerror());
  return request as never;
}
