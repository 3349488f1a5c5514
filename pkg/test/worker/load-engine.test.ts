import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgressMeter } from "../../src/page/progress-meter.js";
import { sha256 } from "../../src/storage/hash.js";
import { deleteStored, isStored } from "../../src/storage/stored-models.js";
import type { Progress } from "../../src/types.js";
import { engineError, FakeEngine } from "../support/engine.js";
import { FOLDER, load, type LoadSetup, messages, settled, place, warnings } from "../support/load.js";
import { type Answer, FakeServer, networkError, ok, pieces, safetensors, status } from "../support/server.js";
import { type FakeCache, stubLocks, stubStorage } from "../support/storage.js";

const WEIGHTS = safetensors(1000);
const WEIGHTS_HASH = await sha256(WEIGHTS);
const FETCHED = ["config.json", "tokenizer.json", "model.safetensors"];
const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[1,2,3]"), "model.safetensors": ok(WEIGHTS) };

let storage: FakeCache;

const serve = (files: Record<string, Answer | Answer[]> = {}) => new FakeServer({ ...FILES, ...files });
const isCached = (revision = "") => isStored(place({ revision }));
const trap = async () => {
  throw new WebAssembly.RuntimeError("unreachable");
};
const refuse = async () => {
  throw engineError("CHECKPOINT_INVALID", "tensor missing");
};

beforeEach(() => {
  storage = stubStorage();
  vi.stubGlobal("navigator", {});
});
afterEach(() => vi.unstubAllGlobals());

test("a module that is none fails by itself: a model that is stored stays, and none is taken for refused", async () => {
  const failing = { init: async () => Promise.reject(engineError("INTEGRITY_FAILED", "no module")) };
  for (const cached of [false, true]) {
    serve();
    await expect(load({ module: failing })).rejects.toMatchObject({ message: "no module" });
    await vi.waitFor(() => expect(storage.sets).toHaveLength(cached ? 1 : 0));
    expect(await isCached()).toBe(cached);
    if (!cached) await load();
  }
});

describe("the second load", () => {
  test("makes no request, absent files included, and gives the same bytes", async () => {
    serve();
    await load();
    const offline = new FakeServer({});
    await load({
      load: async (checkpoint) => {
        expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
        expect([...checkpoint.missing]).toEqual(["tabrank.json", "modules.json", "1_Dense/model.safetensors"]);
        return new FakeEngine();
      },
    });
    expect(offline.requests).toEqual([]);
    expect(messages.flatMap((message) => (message.type === "progress" ? message.progress.fromCache : [])).at(-1)).toBe(true);
  });

  test.each([
    ["as it is", undefined],
    ["converted", { dtype: "q8" } as const],
  ])("of a model %s warns again of a file that the server refused", async (_, convert) => {
    serve({ "modules.json": status(403) });
    await load({ convert });
    const first = warnings();
    expect(first).toEqual([{ code: "FILE_REFUSED", message: expect.stringContaining("modules.json counts as absent") }]);
    const offline = new FakeServer({});
    await load({ convert });
    expect(offline.requests).toEqual([]);
    expect(warnings()).toEqual(first);
  });

  test("of another revision, or with reload, asks the server", async () => {
    serve();
    await load();
    const server = serve();
    await load({ revision: "2" });
    expect(server.taken).toEqual(FETCHED);
    await load({ cache: "reload" });
    expect(server.taken).toEqual([...FETCHED, ...FETCHED]);
    expect(server.inits[server.requests.lastIndexOf("tabrank.json") - 6]!.cache).toBe("reload");
    expect([await isCached(), await isCached("2"), await isCached("3")]).toEqual([true, true, false]);
  });

  test.each([
    ["a flipped bit", (bytes: Uint8Array) => bytes.fill(8, 20, 21)],
    ["a cut", (bytes: Uint8Array) => bytes.slice(0, 30)],
    ["zeros at the end", (bytes: Uint8Array) => bytes.fill(0, 200)],
    ["nothing left", () => new Uint8Array()],
    ["no entry at all", undefined],
  ])("with %s for a stored file asks for all of them, and fetches that one, once", async (_, damage) => {
    serve();
    await load();
    const entry = storage.of("model.safetensors");
    if (damage) entry.bytes = damage(entry.bytes) as Uint8Array<ArrayBuffer>;
    else storage.entries.delete(storage.addressOf("model.safetensors"));
    const server = serve();
    await load();
    expect(new Set(server.requests).size).toBe(6);
    expect(server.taken).toEqual(["model.safetensors"]);
    const asked = server.requests.length;
    await load();
    expect(server.requests).toHaveLength(asked);
  });

  test("offline with a damaged file says so, and keeps the others", async () => {
    serve();
    await load();
    storage.of("config.json").bytes = new Uint8Array();
    vi.stubGlobal("navigator", { onLine: false });
    serve({ "tabrank.json": networkError });
    const error = { code: "CACHE_CORRUPT_OFFLINE", message: expect.stringContaining("config.json in this browser's storage is damaged") };
    await expect(load()).rejects.toMatchObject(error);
    expect(await isCached()).toBe(false);
    vi.stubGlobal("navigator", {});
    const server = serve();
    await load();
    expect(server.taken).toEqual(["config.json"]);
    expect(await isCached()).toBe(true);
  });
});

describe("storage", () => {
  test("holds nothing of a checkpoint that the engine refuses", async () => {
    serve();
    await expect(load({ load: refuse })).rejects.toThrow("tensor missing");
    expect(storage.entries.size).toBe(0);
  });

  test("holds nothing of a load that failed half way", async () => {
    serve({ "model.safetensors": ok("<!doctype html>") });
    await expect(load()).rejects.toMatchObject({ code: "INTEGRITY_FAILED" });
    expect(storage.entries.size).toBe(0);
  });

  test("loses a model that was accepted once and is refused now", async () => {
    serve();
    await load();
    await expect(load({ load: refuse })).rejects.toThrow();
    expect(storage.entries.size).toBe(0);
  });

  test("written by a worker that died is for its successor", async () => {
    serve();
    await expect(load({ load: trap })).rejects.toThrow();
    expect(await isCached()).toBe(false);
    const server = serve();
    await load({ resume: true });
    expect(server.requests).toEqual([]);
    expect(await isCached()).toBe(true);
  });

  test("is fetched anew where two workers have died of it", async () => {
    serve();
    for (const resume of [false, true]) await expect(load({ load: trap, resume })).rejects.toThrow();
    const server = serve();
    await load();
    expect(server.taken).toEqual(FETCHED);
  });

  test("has the new version for the successor of a worker that died in a reload, and the old one where it died in it too", async () => {
    serve();
    await load();
    serve({ "config.json": ok("{ }") });
    await expect(load({ cache: "reload", load: trap })).rejects.toThrow();
    const configs: string[] = [];
    const read: LoadSetup["load"] = async (checkpoint) => (configs.push(new TextDecoder().decode(checkpoint.added.get("config.json"))), new FakeEngine());
    const offline = new FakeServer({});
    await load({ load: read });
    await load({ cache: "reload", resume: true, load: read });
    await load({ load: read });
    expect(configs).toEqual(["{}", "{ }", "{ }"]);
    expect(offline.requests).toEqual([]);
  });

  test.each(["DEVICE_REJECTED", "DEVICE_LOST", "TIMEOUT", "WEBGPU_UNAVAILABLE"])("keeps what a device failed with: %s", async (code) => {
    serve();
    const reject = async () => {
      throw engineError(code, "no good device");
    };
    await expect(load({ load: reject })).rejects.toThrow();
    expect(await isCached()).toBe(true);
  });

  test("that is full gives one warning with figures before the load ends; it goes on and nothing stays behind", async () => {
    serve();
    const estimate = () => new Promise((resolve) => setTimeout(() => resolve({ usage: 90e6, quota: 100e6 }), 20));
    vi.stubGlobal("navigator", { storage: { estimate } });
    storage.refuse = (url) => url.endsWith(WEIGHTS_HASH);
    await load();
    expect(warnings()).toEqual([{ code: "CACHE_UNAVAILABLE", message: expect.stringMatching(/QuotaExceededError; 90 of 100 MB/) }]);
    expect(storage.entries.size).toBe(0);
  });

  test("that is denied gives one warning; the load goes on", async () => {
    serve();
    vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("no", "SecurityError")) });
    await load();
    expect(warnings()).toHaveLength(1);
  });

  test("is left alone with cache off", async () => {
    serve();
    await load({ cache: "off" });
    expect(storage.entries.size).toBe(0);
  });

  test("of one model is deleted without touching another below its folder", async () => {
    serve({ "small/config.json": ok("{}"), "small/tokenizer.json": ok("[]"), "small/model.safetensors": ok(WEIGHTS) });
    await load();
    await load({ url: `${FOLDER}small/` });
    expect([await deleteStored(place()), await deleteStored(place())]).toEqual([true, false]);
    expect(await isStored(place({ url: `${FOLDER}small/` }))).toBe(true);
  });
});

test("of two tabs one downloads, and the other reads what it stored", async () => {
  stubLocks();
  const server = serve();
  await Promise.all([load(), load(), load()]);
  expect(server.taken).toEqual(FETCHED);
});

test("WebGPU asked for where there is none fails before anything is downloaded", async () => {
  const server = serve();
  await expect(load({ device: "webgpu" })).rejects.toMatchObject({ code: "WEBGPU_UNAVAILABLE", message: expect.stringContaining("no WebGPU") });
  expect(server.requests).toEqual([]);
});

test("in auto the engine is told why WebGPU is left out", async () => {
  serve();
  const seen: unknown[] = [];
  await load({ device: "auto", load: async (_, options) => (seen.push(options), new FakeEngine()) });
  expect(seen).toEqual([{ device: "auto", gpuUnavailable: expect.stringContaining("no WebGPU") }]);
  expect(messages.some(({ type }) => type === "trying-webgpu")).toBe(false);
});

test("the engine is asked for the fastest kernel of a GPU once, and then told its name", async () => {
  serve();
  const limits = { maxStorageBufferBindingSize: 1_000, maxBufferSize: 1_000 };
  const adapter = { features: new Set(["timestamp-query"]), limits, info: { vendor: "maker" } };
  vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => adapter }, userAgent: "" });
  const kernels: unknown[] = [];
  const measured: LoadSetup["load"] = async (_, { gpuKernel }) => {
    kernels.push(gpuKernel);
    const trials = gpuKernel === "fastest" ? [{ variant: "64x64", ms: 1 }] : [];
    return Object.assign(new FakeEngine("webgpu"), { gpuKernel: { variant: "64x64", trials } });
  };
  await load({ device: "auto", cache: "off", load: measured });
  await load({ device: "auto", cache: "off", load: measured });
  expect(kernels).toEqual(["fastest", "64x64"]);
});

test("the engine is told what becomes of special tokens in texts, and what stands in place of the checkpoint's settings", async () => {
  serve();
  const seen: unknown[] = [];
  const overrides = { queryLength: 8, skiplistWords: [] };
  await load({ device: "cpu", specialTokens: "text", overrides, load: async (_, options) => (seen.push(options), new FakeEngine()) });
  expect(seen).toEqual([{ device: "cpu", specialTokens: "text", overrides }]);
});

describe("progress", () => {
  const PHASES = ["compile", "download", "load", "check", "ready"];
  type Stamped = Progress & { at: number };
  const fault = fc.constantFrom("none", "break", "death");

  afterEach(() => vi.useRealTimers());

  test("keeps its promises however the bytes come, and when a worker has to start over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(sizes, fault, async (parts, kind) => {
        storage.entries.clear();
        const events = await eventsOf(cut(WEIGHTS, parts), kind);
        checkContract(events);
      }),
      { numRuns: 50 },
    );
  });

  async function eventsOf(parts: Uint8Array[], kind: string): Promise<Stamped[]> {
    const broken = pieces([...parts.slice(0, -1), new TypeError("network error")]);
    serve({ "model.safetensors": kind === "break" ? [broken, pieces(parts)] : pieces(parts) });
    const events: Stamped[] = [];
    const meter = new ProgressMeter((progress) => events.push({ ...progress, at: performance.now() }));
    if (kind === "death") {
      const die: LoadSetup["load"] = async (_checkpoint, _options, hooks) => {
        hooks.stage?.("load");
        throw new WebAssembly.RuntimeError("unreachable");
      };
      await settled(load({ load: die, meter })).catch(() => {});
      storage.of("config.json").bytes = new Uint8Array();
    }
    await settled(load({ resume: kind === "death", meter }));
    meter.ready();
    return events;
  }

  function checkContract(events: Stamped[]): void {
    const last = events.at(-1)!;
    expect(last).toMatchObject({ phase: "ready", progress: 1, loaded: last.total, total: 2 + 7 + WEIGHTS.length });
    expect(events.filter(({ progress }) => progress === 1)).toHaveLength(1);
    for (const [index, after] of events.slice(1).entries()) {
      const before = events[index]!;
      expect(after.loaded).toBeGreaterThanOrEqual(before.loaded);
      expect(after.progress).toBeGreaterThanOrEqual(before.progress);
      expect(before.total === 0 || after.total === before.total).toBe(true);
      expect(PHASES.indexOf(after.phase)).toBeGreaterThanOrEqual(PHASES.indexOf(before.phase));
    }
    for (const { at } of events) expect(events.filter((event) => event.at >= at && event.at < at + 1000).length).toBeLessThanOrEqual(20);
  }
});

function cut(bytes: Uint8Array, sizes: number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0, part = 0; start < bytes.length; part++) {
    const end = start + sizes[part % sizes.length]!;
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  return parts;
}
