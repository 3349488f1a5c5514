import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgressMeter } from "../../src/page/progress-meter.js";
import { deleteStored, isStored } from "../../src/storage/stored-models.js";
import type { Dtype, Progress } from "../../src/types.js";
import { engineError, type FakeCheckpoint, FakeEngine, type FakeModule, fakeModule } from "../support/engine.js";
import { load, type LoadSetup, place, warnings } from "../support/load.js";
import { type Answer, FakeServer, hurry, networkError, ok, safetensors } from "../support/server.js";
import { type FakeCache, stubLocks, stubStorage } from "../support/storage.js";

const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[1,2,3]"), "model.safetensors": ok(safetensors(1000)) };
const MADE = ["config.json", "tabrank.json", "weights-00001-of-00002.safetensors", "weights-00002-of-00002.safetensors"];

let storage: FakeCache;

const serve = (files: Record<string, Answer | Answer[]> = {}) => new FakeServer({ ...FILES, ...files });
const loadAs = (dtype: Dtype, setup: LoadSetup = {}) => load({ convert: { dtype }, ...setup });
const isCached = (dtype?: Dtype) => isStored(place({ dtype }));
/** What `transfer(0)` does to a buffer. */
function detach(this: ArrayBuffer): void {
  structuredClone(this, { transfer: [this] });
}
const trap = async () => {
  throw new WebAssembly.RuntimeError("unreachable");
};
/** How often the engine converts. */
const counted = () => {
  const { convert } = fakeModule();
  return vi.fn(convert);
};

beforeEach(() => {
  storage = stubStorage();
  vi.stubGlobal("navigator", {});
});
afterEach(() => vi.unstubAllGlobals());

describe("a checkpoint", () => {
  test("is converted once: the next load reads the bundle, without a request", async () => {
    serve();
    const convert = counted();
    const seen: FakeCheckpoint[] = [];
    const keepSeen = async (checkpoint: FakeCheckpoint) => (seen.push(checkpoint), new FakeEngine());
    await loadAs("q8", { module: { convert }, load: keepSeen });
    expect(storage.names).toEqual(MADE);
    const offline = new FakeServer({});
    await loadAs("q8", { module: { convert }, load: keepSeen });
    expect(offline.requests).toEqual([]);
    expect(convert).toHaveBeenCalledTimes(1);
    expect(seen.map(({ dtype }) => dtype)).toEqual(["q8", "q8"]);
    expect(seen[1]!.added).toEqual(seen[0]!.added);
  });

  test("lets go of each file that was made as soon as the engine and the storage have it", async () => {
    // Node.js 20 has none.
    Object.assign(ArrayBuffer.prototype, { transfer: detach });
    serve();
    const taken: Uint8Array[] = [];
    const { convert } = fakeModule();
    const watched: FakeModule["convert"] = async (...given) => {
      const bundle = await convert(...given);
      const take = bundle.take.bind(bundle);
      return Object.assign(bundle, { take: (name: string) => (taken.push(take(name)), taken.at(-1)!) });
    };
    await loadAs("q8", { module: { convert: watched } });
    expect(storage.names).toEqual(MADE);
    expect(taken.map(({ byteLength }) => byteLength)).toEqual(MADE.map(() => 0));
  });

  test("is kept in several types, and as it is, side by side", async () => {
    const server = serve();
    for (const dtype of ["q8", "q4"] as const) await loadAs(dtype);
    await load();
    expect(await Promise.all([isCached("q8"), isCached("q4"), isCached("f16"), isCached()])).toEqual([true, true, false, true]);
    const asked = server.requests.length;
    await load();
    await loadAs("q4");
    expect(server.requests).toHaveLength(asked);
    await deleteStored(place({ dtype: "q8" }));
    expect(await Promise.all([isCached("q8"), isCached("q4"), isCached()])).toEqual([false, true, true]);
  });

  test("tells the engine where it is from", async () => {
    serve();
    const convert = counted();
    const options = { dtype: "q8", repository: "owner/name", revision: "v1" } as const;
    await load({ convert: options, module: { convert } });
    expect(convert).toHaveBeenCalledWith(expect.anything(), options, expect.anything(), expect.anything());
  });

  test("lets the event loop run while it is converted, and is not stopped by that", async () => {
    serve();
    let turns = 0;
    const convert: FakeModule["convert"] = async (checkpoint, options, hooks, read) => {
      const timer = setInterval(() => turns++);
      for (let block = 0; block < 30; block++) {
        for (const end = performance.now() + 2; performance.now() < end; );
        expect(await (block % 2 ? hooks.pause!() : hooks.batch!(block, 30))).toBe(true);
      }
      clearInterval(timer);
      return fakeModule().convert(checkpoint, options, hooks, read);
    };
    await loadAs("q8", { module: { convert } });
    expect(turns).toBeGreaterThan(2);
  });

  test("is converted where nothing is kept", async () => {
    serve();
    await loadAs("q8", { cache: "off" });
    vi.stubGlobal("caches", undefined);
    await loadAs("q8");
    expect(warnings().map(({ code }) => code)).toEqual(["CACHE_UNAVAILABLE"]);
    expect(storage.entries.size).toBe(0);
  });

  test("loads with one warning where the storage is full", async () => {
    serve();
    let blobs = 0;
    storage.refuse = (url) => url.includes("blobs/") && ++blobs > 2;
    await loadAs("q8");
    expect(warnings().map(({ code }) => code)).toEqual(["CACHE_UNAVAILABLE"]);
    expect(storage.entries.size).toBe(0);
  });

  test("that cannot be converted leaves nothing behind", async () => {
    serve();
    const convert = async () => {
      throw engineError("CHECKPOINT_UNSUPPORTED", "a width that is no multiple of 32");
    };
    await expect(loadAs("q4", { module: { convert } })).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED" });
    expect(storage.entries.size).toBe(0);
  });

  test("that did not come whole leaves nothing behind", async () => {
    serve({ "model.safetensors": ok("<!doctype html>") });
    await expect(loadAs("q8")).rejects.toMatchObject({ code: "INTEGRITY_FAILED" });
    expect(storage.entries.size).toBe(0);
  });

  test("passes through the phase convert", async () => {
    serve();
    const events: Progress[] = [];
    const meter = new ProgressMeter((progress) => events.push(progress));
    await loadAs("q8", { meter });
    meter.ready();
    const phases = events.map(({ phase }) => phase);
    expect(phases.filter((phase, index) => phase !== phases[index - 1])).toEqual(["compile", "download", "convert", "ready"]);
    events.reduce((before, after) => (expect(after.progress).toBeGreaterThanOrEqual(before.progress), after));
  });
});

describe("a bundle that was made here", () => {
  test.each([
    ["has a flipped bit in a shard", (cache: FakeCache) => cache.of("weights-00002-of-00002.safetensors").bytes.fill(1, 5, 6)],
    ["has a damaged manifest", (cache: FakeCache) => cache.of("tabrank.json").bytes.fill(0)],
    ["has lost a shard", (cache: FakeCache) => cache.entries.delete(cache.addressOf("weights-00001-of-00002.safetensors"))],
  ])("and %s is made again", async (_, damage) => {
    serve();
    await loadAs("q8");
    damage(storage);
    const server = serve();
    await loadAs("q8");
    expect(server.requests).toContain("model.safetensors");
    expect(storage.names).toEqual(MADE);
    expect(await isCached("q8")).toBe(true);
  });

  test("and cannot be made again for want of a network stays as it is", async () => {
    hurry();
    serve();
    await loadAs("q8");
    storage.of("weights-00001-of-00002.safetensors").bytes.fill(0);
    serve({ "tabrank.json": networkError });
    await expect(loadAs("q8")).rejects.toMatchObject({ code: "CACHE_CORRUPT_OFFLINE", message: expect.stringContaining("weights-00001-of-00002.safetensors") });
    expect(storage.sets.map(({ entries }) => Object.keys(entries).sort())).toContainEqual(MADE);
  });

  test("before its worker died is for the successor alone", async () => {
    serve();
    await expect(loadAs("q8", { load: trap })).rejects.toThrow();
    expect(await isCached("q8")).toBe(false);
    const offline = new FakeServer({});
    await loadAs("q8", { resume: true });
    expect(offline.requests).toEqual([]);
    expect(await isCached("q8")).toBe(true);
  });

  test("is made anew with `reload`", async () => {
    serve();
    const convert = counted();
    await loadAs("q8", { module: { convert } });
    await loadAs("q8", { module: { convert }, cache: "reload" });
    expect(convert).toHaveBeenCalledTimes(2);
    expect(storage.names).toEqual(MADE);
  });

  test("and is refused by the engine is thrown away", async () => {
    serve();
    await loadAs("q8");
    const refuse = async () => {
      throw engineError("BUNDLE_INVALID", "tensor missing");
    };
    await expect(loadAs("q8", { load: refuse })).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
    expect(storage.entries.size).toBe(0);
  });
});

test("of two tabs one converts, and the other reads what it made", async () => {
  stubLocks();
  serve();
  const convert = counted();
  await Promise.all([loadAs("q8", { module: { convert } }), loadAs("q8", { module: { convert } })]);
  expect(convert).toHaveBeenCalledTimes(1);
});
