import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Bytes } from "../../src/files.js";
import { ContentStore, newSet, type StoredSet } from "../../src/storage/content-store.js";
import { sha256 } from "../../src/storage/hash.js";
import { FakeCache, FakeLocks, FakeTab, stubLocks, stubStorage } from "../support/storage.js";

type Store = ContentStore<string>;

const DAY = 24 * 60 * 60 * 1000;

let cache: FakeCache;
let locks: FakeLocks;

const bytesOf = (text: string) => new TextEncoder().encode(text) as Bytes;
const entryOf = async (bytes: Bytes) => ({ sha256: await sha256(bytes), bytes: bytes.length });
const open = (): Promise<Store> => ContentStore.open<string>("test");

/** Starts a set with a blob for each text. */
async function filled(store: Store, key: string, texts: Record<string, string>): Promise<StoredSet<string>> {
  const set = newSet(key, "about", {});
  await store.begin(set);
  for (const [name, text] of Object.entries(texts)) await store.add(set, name, await entryOf(bytesOf(text)), bytesOf(text));
  return set;
}

async function publish(store: Store, key: string, texts: Record<string, string>): Promise<boolean> {
  return store.publish(await filled(store, key, texts));
}

/** What a reader gets of the current set: its texts, `undefined` for those that are not to be had. */
async function textsOf(store: Store, key: string): Promise<Record<string, string | undefined> | undefined> {
  const set = await store.current(key);
  if (!set) return undefined;
  const read = async (name: string) => {
    const bytes = await store.read(set.entries[name]!.sha256);
    return [name, bytes && new TextDecoder().decode(bytes)];
  };
  return Object.fromEntries(await Promise.all(Object.keys(set.entries).map(read)));
}

/** From here on all that is done is done in another tab. */
function newTab(): { storage: FakeCache; tab: FakeTab } {
  return { storage: stubStorage(new FakeCache(cache.entries)), tab: stubLocks(new FakeTab(locks)) };
}

beforeEach(() => {
  cache = stubStorage();
  locks = new FakeLocks();
  stubLocks(new FakeTab(locks));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a set", () => {
  test("is current once it is published, in place of the one before", async () => {
    const store = await open();
    expect(await store.current("key")).toBeUndefined();
    for (const text of ["old", "new", "newer"]) {
      expect(await publish(store, "key", { file: text })).toBe(true);
      expect(await textsOf(store, "key")).toEqual({ file: text });
    }
    await store.collect();
    expect(cache.blobs).toHaveLength(1);
  });

  test("shares what it has in common with others, and keeps it when they go", async () => {
    const store = await open();
    await publish(store, "one", { a: "same", b: "one" });
    await publish(store, "two", { c: "same", d: "two" });
    expect(cache.blobs).toHaveLength(3);
    expect(await store.drop(({ key }) => key === "one")).toBe(true);
    await store.collect();
    expect(cache.blobs).toHaveLength(2);
    expect(await textsOf(store, "two")).toEqual({ c: "same", d: "two" });
    expect(await store.drop(({ key }) => key === "one")).toBe(false);
  });

  test("that is not whole is not published, and the current one stays", async () => {
    const store = await open();
    await publish(store, "key", { file: "old" });
    const set = await filled(store, "key", { file: "new" });
    cache.entries.delete(cache.blobs.at(-1)!);
    expect(await store.publish(set)).toBe(false);
    expect(await textsOf(store, "key")).toEqual({ file: "old" });
  });

  test("that was dropped while it was filled is neither written to nor published", async () => {
    const store = await open();
    const set = await filled(store, "key", { file: "text" });
    await store.drop(() => true);
    expect(await store.update(set)).toBe(false);
    expect(await store.add(set, "more", await entryOf(bytesOf("more")), bytesOf("more"))).toBe(false);
    expect(await store.publish(set)).toBe(false);
    await store.collect();
    expect(cache.entries.size).toBe(0);
  });

  test("that two loads have filled one after the other is that of the second", async () => {
    const store = await open();
    const [first, second] = [await filled(store, "key", { file: "first" }), await filled(store, "key", { file: "second" })];
    expect(await store.publish(first)).toBe(false);
    expect([await store.publish(second), await store.publish(second)]).toEqual([true, true]);
    expect(await textsOf(store, "key")).toEqual({ file: "second" });
  });

  test("that nobody finishes is given up after a week", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const store = await open();
    await filled(store, "key", { file: "text" });
    vi.setSystemTime(Date.now() + 6 * DAY);
    await store.collect();
    expect((await store.unfinished("key"))?.entries).toHaveProperty("file");
    vi.setSystemTime(Date.now() + 2 * DAY);
    await store.collect();
    expect(cache.entries.size).toBe(0);
  });

  test("is listed with the time it was last used", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const store = await open();
    await publish(store, "key", { file: "text" });
    await filled(store, "other", {});
    vi.setSystemTime(Date.now() + DAY);
    await store.touch("key");
    const listed = (await store.list()).map(({ set, isCurrent, used }) => [set.key, isCurrent, used]);
    expect(listed.sort()).toEqual([["key", true, Date.now()], ["other", false, 0]]);
  });
});

describe("an entry that is damaged", () => {
  test.each([
    ["a flipped bit", (bytes: Bytes) => bytes.map((byte, place) => (place === 1 ? byte ^ 1 : byte))],
    ["a cut", (bytes: Bytes) => bytes.slice(0, -1)],
    ["zeros at its end", (bytes: Bytes) => bytes.map((byte, place) => (place < 2 ? byte : 0))],
    ["nothing in it", () => new Uint8Array()],
  ])("by %s is not read, and can be stored again", async (_, damage) => {
    const store = await open();
    await publish(store, "key", { file: "text" });
    const entry = cache.of("file");
    entry.bytes = damage(entry.bytes);
    expect(await textsOf(store, "key")).toEqual({ file: undefined });
    expect(cache.blobs).toEqual([]);
    await publish(store, "key", { file: "text" });
    expect(await textsOf(store, "key")).toEqual({ file: "text" });
  });

  test("and stored again without having been read is mended", async () => {
    const store = await open();
    await publish(store, "key", { file: "text" });
    cache.of("file").bytes.fill(0);
    await publish(store, "other", { file: "text" });
    expect(await textsOf(store, "key")).toEqual({ file: "text" });
  });

  test("and holds a set counts as no set", async () => {
    const store = await open();
    await publish(store, "key", { file: "text" });
    for (const [url, { bytes }] of cache.entries) if (url.includes("/sets/")) bytes[bytes.length >> 1]! ^= 1;
    expect(await store.current("key")).toBeUndefined();
    await store.collect();
    expect(cache.entries.size).toBe(0);
  });
});

describe("a collection", () => {
  test("waits for those who read or write, and takes the rest when they are done", async () => {
    const store = await open();
    await publish(store, "key", { file: "old" });
    let letGo = () => {};
    const isLetGo = new Promise<void>((resolve) => (letGo = resolve));
    const set = (await store.current("key"))!;
    const reading = store.hold(async () => {
      await isLetGo;
      return store.read(set.entries["file"]!.sha256);
    });
    newTab();
    const other = await open();
    await publish(other, "key", { file: "new" });
    await other.drop(() => true);
    await other.collect();
    letGo();
    expect(await reading).toEqual(bytesOf("old"));
    await other.collect();
    expect(cache.entries.size).toBe(0);
  });

  test("where there are no locks leaves what is being written", async () => {
    const other = await open();
    const { storage } = newTab();
    vi.stubGlobal("navigator", {});
    const store = await open();
    storage.beforeStep = (step, url) => (step === "write" && url.includes("/blobs/") ? other.collect() : undefined);
    expect(await publish(store, "key", { file: "text" })).toBe(true);
    expect(await textsOf(store, "key")).toEqual({ file: "text" });
  });
});

describe("a replacement that breaks off at any step", () => {
  const OLD = { a: "same", b: "old" };
  const NEW = { a: "same", b: "new", c: "more" };

  /** How many steps it takes. */
  async function steps(): Promise<number> {
    let count = 0;
    const { storage } = newTab();
    storage.beforeStep = () => void count++;
    await publish(await open(), "key", NEW);
    return count;
  }

  test.each([
    ["since the tab is closed", (tab: FakeTab) => (tab.close(), new Promise<void>(() => {}))],
    ["since the storage fails", () => Promise.reject(new DOMException("no room", "QuotaExceededError"))],
  ])("%s leaves the old set or the new one, whole, and no more than that", async (_, fault) => {
    await publish(await open(), "key", OLD);
    const count = await steps();
    expect(count).toBeGreaterThan(20);
    for (let step = 1; step <= count; step++) {
      cache.entries.clear();
      newTab();
      await publish(await open(), "key", OLD);
      const { storage, tab } = newTab();
      let left = step;
      let broken = Promise.resolve();
      const isOver = new Promise<void>((resolve) => {
        storage.beforeStep = () => {
          if (--left === 0) {
            broken = fault(tab);
            resolve();
          }
          return left <= 0 ? broken : undefined;
        };
      });
      const replacing = open().then((store) => publish(store, "key", NEW));
      await Promise.race([isOver, replacing]);
      await Promise.race([replacing.catch(() => false), new Promise((resolve) => setTimeout(resolve))]);

      newTab();
      const store = await open();
      await store.collect();
      const texts = await textsOf(store, "key");
      expect([OLD, NEW], `step ${step}`).toContainEqual(texts);
      await store.drop(() => true);
      await store.collect();
      expect(cache.entries.size, `step ${step}`).toBe(0);
    }
  });
});
