import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgressMeter } from "../../src/page/progress-meter.js";
import { sha256 } from "../../src/storage/hash.js";
import { isStored } from "../../src/storage/stored-models.js";
import type { Dtype, Progress } from "../../src/types.js";
import { gather } from "../../src/worker/checkpoint-source.js";
import { GivenFiles } from "../../src/worker/given-files.js";
import { LoadMeter } from "../../src/worker/load-meter.js";
import { bundleOf, FakeCheckpoint, FakeEngine } from "../support/engine.js";
import { load, messages, place, warnings } from "../support/load.js";
import { type Answer, FakeServer, html, hurry, networkError, ok, pieces, status } from "../support/server.js";
import { type FakeCache, stubStorage } from "../support/storage.js";

const SHARDS = ["weights-00001-of-00003.safetensors", "weights-00002-of-00003.safetensors", "weights-00003-of-00003.safetensors"];
const [FIRST, SECOND, THIRD] = SHARDS as [string, string, string];
const LISTED = { "config.json": new Uint8Array([123, 125]), ...Object.fromEntries(SHARDS.map((name, i) => [name, new Uint8Array(900).fill(i + 1)])) };
const BUNDLE = bundleOf("q8", LISTED);
const WRONG = new Uint8Array(900).fill(9);
const NAMES = Object.keys(BUNDLE);

let storage: FakeCache;

const serve = (files: Record<string, Answer | Answer[]> = {}) =>
  new FakeServer({ ...Object.fromEntries(Object.entries(BUNDLE).map(([name, bytes]) => [name, ok(bytes)])), ...files });
const isCached = (dtype?: Dtype) => isStored(place({ dtype }));
const shardRequests = (server: FakeServer) => server.requests.filter((name) => name.startsWith("weights"));

beforeEach(() => {
  storage = stubStorage();
  vi.stubGlobal("navigator", {});
  hurry();
});
afterEach(() => vi.unstubAllGlobals());

describe("a bundle", () => {
  test("arrives byte for byte, and the next load makes no request", async () => {
    const server = serve();
    const seen: FakeCheckpoint[] = [];
    const keepSeen = async (checkpoint: FakeCheckpoint) => (seen.push(checkpoint), new FakeEngine());
    await load({ load: keepSeen });
    expect(server.requests.sort()).toEqual(NAMES.sort());
    const offline = new FakeServer({});
    await load({ load: keepSeen });
    expect(offline.requests).toEqual([]);
    for (const { added } of seen) expect(Object.fromEntries(added)).toEqual(BUNDLE);
    expect(await isCached()).toBe(true);
  });

  test("counts its bytes from the manifest on", async () => {
    serve();
    const events: Progress[] = [];
    const meter = new ProgressMeter((progress) => events.push(progress));
    await load({ meter });
    meter.ready();
    const total = Object.values(BUNDLE).reduce((sum, bytes) => sum + bytes.length, 0);
    expect(events.find((event) => event.total > 0)).toMatchObject({ phase: "download", loaded: BUNDLE["tabrank.json"]!.length, total });
    expect(events.at(-1)).toMatchObject({ phase: "ready", loaded: total, total });
  });

  test("has two shards on their way at most", async () => {
    let open = 0;
    let most = 0;
    const slowly = (name: string): Answer => async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      open--;
      return new Response(BUNDLE[name]);
    };
    serve(Object.fromEntries(SHARDS.map((name) => [name, slowly(name)])));
    await load();
    expect(most).toBe(2);
  });

  test("asks for a manifest that is not an old copy", async () => {
    const server = serve();
    await load();
    expect(server.inits[server.requests.indexOf("tabrank.json")]).toMatchObject({ cache: "no-cache" });
  });

  test("is asked for while the module compiles, and its first weights with it", async () => {
    const server = serve();
    let ready = () => {};
    const loading = load({ module: { init: () => new Promise<void>((resolve) => (ready = resolve)) } });
    await vi.waitFor(() => expect(server.requests).toEqual(["tabrank.json", FIRST, SECOND]));
    ready();
    await loading;
    expect(server.requests.sort()).toEqual(NAMES.sort());
  });

  test("that is refused leaves no body that was asked for", async () => {
    const manifest = new TextDecoder().decode(BUNDLE["tabrank.json"]);
    const server = serve({ "tabrank.json": ok(manifest.replace('"version":1', '"version":9')) });
    await expect(load()).rejects.toMatchObject({ code: "BUNDLE_VERSION" });
    expect(server.requests).toContain(FIRST);
    await vi.waitFor(() => expect(server.taken).toEqual(["tabrank.json"]));
  });

  test("is kept while the engine takes the next shard, and the one after that is not asked for yet", async () => {
    const server = serve();
    const hash = await sha256(BUNDLE[FIRST]!);
    let goOn = () => {};
    const stored = new Promise<void>((resolve) => (goOn = resolve));
    storage.beforeStep = async (step, url) => (step === "write" && url.endsWith(hash) ? stored : undefined);
    const checkpoints: FakeCheckpoint[] = [];
    class Watched extends FakeCheckpoint {
      constructor() {
        super();
        checkpoints.push(this);
      }
    }
    const loading = load({ module: { Checkpoint: Watched } });
    await vi.waitFor(() => expect(checkpoints.at(-1)?.added.has(SECOND)).toBe(true));
    expect(server.requests).not.toContain(THIRD);
    goOn();
    await loading;
    expect(server.requests).toContain(THIRD);
  });

  test("is held against its hashes by what was computed beside the engine, where the page may", async () => {
    const computed: Record<string, unknown> = {};
    class Watched extends FakeCheckpoint {
      override add(name: string, bytes: Uint8Array, hash?: string): void {
        computed[name] = hash;
        super.add(name, bytes, hash);
      }
    }
    serve();
    await load({ cache: "off", module: { Checkpoint: Watched } });
    expect(computed[SECOND]).toBe(await sha256(BUNDLE[SECOND]!));
    serve();
    vi.stubGlobal("isSecureContext", false);
    await load({ cache: "off", module: { Checkpoint: Watched } });
    expect(computed[SECOND]).toBeUndefined();
  });

  test("may be given as files, which are checked too", async () => {
    const gathered = (files: Record<string, Uint8Array<ArrayBuffer>>) =>
      gather(new FakeCheckpoint(), new GivenFiles(Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, new Blob([bytes])]))), new LoadMeter(() => {}));
    await gathered(BUNDLE);
    await expect(gathered({ ...BUNDLE, [SECOND]: WRONG })).rejects.toMatchObject({ code: "INTEGRITY_FAILED" });
  });

  test("over 1.5 GiB is refused before its weights are fetched", async () => {
    const files = [{ name: FIRST, bytes: 2 ** 31, sha256: "0" }];
    const server = serve({ "tabrank.json": ok(JSON.stringify({ version: 1, dtype: "q8", files, weights: files })) });
    await expect(load()).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: expect.stringContaining("2,147,483,648") });
    expect(server.requests).toEqual(["tabrank.json"]);
  });
});

describe("a shard that is not the listed one", () => {
  test("is asked for once more, past the HTTP cache, and kept only when it is right", async () => {
    const server = serve({ [SECOND]: [ok(WRONG), ok(BUNDLE[SECOND]!)] });
    await load();
    const again = server.requests.lastIndexOf(SECOND);
    expect(shardRequests(server)).toHaveLength(4);
    expect(server.inits[again]).toMatchObject({ cache: "reload" });
    expect(storage.of(SECOND).bytes).toEqual(BUNDLE[SECOND]);
  });

  test.each([
    ["one byte", ok(new Uint8Array(900).fill(2).fill(3, 450, 451)), /another hash/],
    ["a page in its place", html, /holds a web page/],
    ["a Git LFS pointer in its place", ok("version https://git-lfs.github.com/spec/v1\n"), /holds a Git LFS pointer/],
    ["nothing in it", ok(""), /holds no bytes/],
    ["its end missing", pieces([BUNDLE[SECOND]!.subarray(0, 700)]), /sent 700 bytes; expected 900/],
    ["more than itself", ok(new Uint8Array(901)), /expected 900/],
  ])("with %s fails in the end, and nothing of the bundle stays", async (_, answer, message) => {
    const server = serve({ [SECOND]: answer });
    await expect(load()).rejects.toMatchObject({ code: "INTEGRITY_FAILED", message: expect.stringMatching(message) });
    expect(server.inits.some(({ cache }, place) => server.requests[place] === SECOND && cache === "reload")).toBe(true);
    expect(storage.entries.size).toBe(0);
  });

  test("in the storage is replaced, alone", async () => {
    serve();
    await load();
    storage.of(THIRD).bytes.fill(0);
    const server = serve();
    await load();
    expect(server.requests).toEqual(["tabrank.json", THIRD]);
    expect(storage.of(THIRD).bytes).toEqual(BUNDLE[THIRD]);
  });
});

describe("a manifest", () => {
  test.each([
    ["that is cut", ok('{"version":1'), "BUNDLE_INVALID"],
    ["of another version", ok('{"version":2,"files":[]}'), "BUNDLE_VERSION"],
  ])("%s is an error before anything else is fetched", async (_, answer, code) => {
    const server = serve({ "tabrank.json": answer });
    await expect(load()).rejects.toMatchObject({ code });
    expect(server.requests).toEqual(["tabrank.json"]);
    expect(storage.entries.size).toBe(0);
  });
});

describe("a load that was interrupted", () => {
  test.each([
    ["by the network", networkError],
    ["by the server", status(503)],
  ])("%s goes on with the shards that are there", async (_, answer) => {
    serve({ [THIRD]: answer });
    await expect(load()).rejects.toThrow();
    expect(await isCached()).toBe(false);
    const server = serve();
    await load();
    expect(server.requests).toEqual(["tabrank.json", THIRD]);
    expect(await isCached()).toBe(true);
  });

  test("checks them against the manifest of now", async () => {
    serve({ [THIRD]: networkError });
    await expect(load()).rejects.toThrow();
    storage.of(FIRST).bytes.fill(0);
    const renewed = bundleOf("q8", { ...LISTED, [SECOND]: WRONG });
    const server = serve({ "tabrank.json": ok(renewed["tabrank.json"]!), [SECOND]: ok(WRONG) });
    await load();
    expect(shardRequests(server).sort()).toEqual(SHARDS);
    expect(storage.of(SECOND).bytes).toEqual(WRONG);
  });

  test("begins anew with `reload`", async () => {
    serve({ [THIRD]: networkError });
    await expect(load()).rejects.toThrow();
    const server = serve();
    await load({ cache: "reload" });
    expect(server.requests).toHaveLength(NAMES.length);
  });
});

describe("a type that is asked for", () => {
  test("is that of the bundle: it loads, and is kept", async () => {
    serve();
    await load({ convert: { dtype: "q8" } });
    expect([await isCached("q8"), await isCached("q4"), await isCached()]).toEqual([true, false, false]);
    const offline = new FakeServer({});
    await load({ convert: { dtype: "q8" } });
    expect(offline.requests).toEqual([]);
  });

  test("is not that of the bundle: it is refused before its weights are fetched", async () => {
    const server = serve();
    const error = { code: "CHECKPOINT_UNSUPPORTED", message: "the bundle has q8 weights, and dtype is q4", hint: expect.stringContaining("Leave dtype out") };
    await expect(load({ convert: { dtype: "q4" } })).rejects.toMatchObject(error);
    expect(server.requests).toEqual(["tabrank.json"]);
    expect(storage.entries.size).toBe(0);
  });
});

test("where nothing can be kept it loads with one warning", async () => {
  serve();
  const hash = await sha256(BUNDLE[SECOND]!);
  storage.refuse = (url) => url.endsWith(hash);
  await load();
  expect(warnings().map(({ code }) => code)).toEqual(["CACHE_UNAVAILABLE"]);
  expect(storage.names).toEqual([]);
  expect(messages.some(({ type }) => type === "progress")).toBe(true);
});
