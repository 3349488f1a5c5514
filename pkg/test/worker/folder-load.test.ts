import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Bytes } from "../../src/files.js";
import { listStored } from "../../src/storage/stored-models.js";
import type { WantedFile } from "../../src/worker/engine.js";
import { bundleOf, engineError, FakeCheckpoint, FakeEngine, ROUNDS } from "../support/engine.js";
import { load, type LoadSetup } from "../support/load.js";
import { type Answer, FakeServer, hurry, networkError, ok, safetensors, status } from "../support/server.js";
import { Origin, Tab } from "../support/tabs.js";

type Files = Record<string, Bytes>;

const bytesOf = (text: string) => new TextEncoder().encode(text) as Bytes;

/** Versions of a checkpoint: of two, some files are the same, and one has a file that the other lacks. */
const CHECKPOINTS: Record<string, Files> = {
  one: { "config.json": bytesOf("{}"), "tokenizer.json": bytesOf("[1]"), "model.safetensors": safetensors(50) },
  two: { "config.json": bytesOf("{}"), "modules.json": bytesOf("[]"), "tokenizer.json": bytesOf("[2]"), "model.safetensors": safetensors(60) },
  three: { "config.json": bytesOf("{ }"), "tokenizer.json": bytesOf("[1]"), "model.safetensors": safetensors(70) },
};

const BUNDLES: Record<string, Files> = {
  one: bundleOf("q8", { "config.json": bytesOf("{}"), "weights-1.safetensors": bytesOf("one"), "weights-2.safetensors": bytesOf("same") }),
  two: bundleOf("q8", { "config.json": bytesOf("{}"), "weights-1.safetensors": bytesOf("two"), "weights-2.safetensors": bytesOf("same") }),
  three: bundleOf("q8", { "config.json": bytesOf("{ }"), "weights-3.safetensors": bytesOf("three") }),
};

const KINDS = { checkpoint: CHECKPOINTS, bundle: BUNDLES };

let origin: Origin;
/** Versions by the number of the request from which on the server has them. */
let served: [from: number, files: Files][];
let server: FakeServer;

function serve(versions: Record<string, Files>, headersOf: (body: Bytes) => Record<string, string> | undefined = () => undefined): void {
  const names = new Set(Object.values(versions).flatMap((files) => Object.keys(files)));
  const answer = (name: string): Answer => () => {
    const body = served.filter(([from]) => server.requests.length > from).at(-1)![1][name];
    return body ? ok(body, headersOf(body))() : status(404)();
  };
  server = new FakeServer(Object.fromEntries([...names].map((name) => [name, answer(name)])));
  origin.stubFetch();
}

/** Loads in a tab of its own; which version it was, of those there are. Anything else is a mixture. */
async function versionIn(versions: Record<string, Files>, setup: LoadSetup = {}, tab = new Tab(origin)): Promise<string> {
  let found: string | undefined;
  await tab.run(() => load({ ...setup, load: async (checkpoint) => ((found = versionOf(versions, checkpoint)), new FakeEngine()) }));
  return found!;
}

function versionOf(versions: Record<string, Files>, { added }: FakeCheckpoint): string {
  const isSame = (files: Files) => added.size === Object.keys(files).length && Object.keys(files).every((name) => String(added.get(name)) === String(files[name]));
  const found = Object.keys(versions).find((name) => isSame(versions[name]!));
  if (found === undefined) throw new Error(`a mixture: ${[...added].map(([name, bytes]) => `${name} ${new TextDecoder().decode(bytes)}`)}`);
  return found;
}

const offline = async <T>(task: () => Promise<T>): Promise<T> => {
  origin.online = false;
  return task().finally(() => (origin.online = true));
};

/** What the load came to. */
const outcomeOf = (loading: Promise<string>) => loading.catch((error: { code?: string; message: string }) => error.code ?? error.message);

/** Others go on for a while. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

/** Sets and blobs, once everything is settled: those of one version. */
async function expectClean(versions: Record<string, Files>, version: string): Promise<void> {
  const tab = new Tab(origin);
  expect(tab.storage.sets).toHaveLength(1);
  expect(tab.storage.blobs).toHaveLength(new Set(Object.values(versions[version]!).map(String)).size);
}

beforeEach(() => {
  origin = new Origin();
  hurry();
});
afterEach(() => vi.unstubAllGlobals());

describe.each(Object.entries(KINDS))("a %s on a server that moves on", (_, versions) => {
  const { one, two, three } = versions as { one: Files; two: Files; three: Files };

  test.each([
    ["with entity tags", () => undefined, 1],
    ["with dates", (body: Bytes) => ({ "last-modified": new Date(body.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 0) * 1000).toUTCString() }), 4],
    ["with tags that change for no reason", () => ({ etag: String(Math.random()) }), 3],
  ])("at any request, %s, is loaded and kept in one version", async (_, headersOf, stride) => {
    serve(versions, headersOf);
    for (const [before, after] of [[one, two], [two, one], [one, three]] as const) {
      for (let request = 0; request <= 12; request += stride) {
        origin.entries.clear();
        serve(versions, headersOf);
        served = [[-1, before], [request, after]];
        const version = await versionIn(versions);
        expect(await offline(() => versionIn(versions))).toBe(version);
        await expectClean(versions, version);
      }
    }
  });

  test("twice in a load ends in one version or in an error, and nothing is kept then", async () => {
    for (let first = 0; first <= 10; first += 2) {
      for (let second = first + 1; second <= 24; second += 3) {
        origin.entries.clear();
        serve(versions);
        served = [[-1, one], [first, two], [second, three]];
        const outcome = await outcomeOf(versionIn(versions));
        expect(["one", "two", "three", "INTEGRITY_FAILED"]).toContain(outcome);
        if (outcome === "INTEGRITY_FAILED") expect(origin.entries.size).toBe(0);
      }
    }
  });

  test("with a stored copy that is damaged is fetched as a whole", async () => {
    for (const name of Object.keys(one)) {
      origin.entries.clear();
      serve(versions);
      served = [[-1, one]];
      await versionIn(versions);
      const { storage } = new Tab(origin);
      origin.entries.get(storage.addressOf(name))!.bytes.fill(0);
      served = [[-1, two]];
      expect(await versionIn(versions)).toBe("two");
      await expectClean(versions, "two");
    }
  });

  test("is read as it was stored until it is reloaded", async () => {
    serve(versions);
    served = [[-1, one]];
    await versionIn(versions);
    served = [[-1, two]];
    const asked = server.requests.length;
    expect(await versionIn(versions)).toBe("one");
    expect(server.requests).toHaveLength(asked);
    expect(await versionIn(versions, { cache: "reload" })).toBe("two");
    expect(await versionIn(versions)).toBe("two");
    await expectClean(versions, "two");
  });
});

describe("two servers that answer in turn, each with a version of its own", () => {
  /** A checkpoint that asks for so many files more. */
  const wanting = (more: number): LoadSetup => ({
    module: { Checkpoint: class extends FakeCheckpoint {
      constructor() {
        const absent = Array.from({ length: more }, (_, place) => ({ name: `absent-${place}.json`, optional: true }));
        super([ROUNDS[0]!, [...absent, ...ROUNDS[1]!]]);
      }
    } },
  });

  test.each([0, 1, 2, 3])("are never mixed: with %i files more", async (more) => {
    for (const [even, odd] of [["one", "two"], ["two", "one"], ["one", "three"], ["three", "one"], ["two", "three"]] as const) {
      origin.entries.clear();
      serve(CHECKPOINTS);
      served = Array.from({ length: 200 }, (_, request) => [request, CHECKPOINTS[request % 2 === 0 ? even : odd]!]);
      expect([even, odd, "INTEGRITY_FAILED"]).toContain(await outcomeOf(versionIn(CHECKPOINTS, wanting(more))));
      expect(origin.entries.size).toBe(0);
    }
  });
});

describe.each(Object.entries(KINDS))("a load of a %s that breaks off", (_, versions) => {
  const { one, two } = versions as { one: Files; two: Files };
  type Fault = (tab: Tab, kind: string) => void;
  const close: Fault = (tab) => tab.close();
  const fill: Fault = (_, kind) => {
    if (kind === "put" || kind === "write") throw new DOMException("no room", "QuotaExceededError");
  };
  const breakStorage: Fault = (_, kind) => {
    if (kind !== "fetch") throw new DOMException("broken", "UnknownError");
  };
  const disconnect: Fault = (_, kind) => {
    if (kind === "fetch") throw new TypeError("Failed to fetch");
  };

  async function stepsOf(setup: LoadSetup): Promise<number> {
    const tab = new Tab(origin);
    await versionIn(versions, setup, tab);
    return tab.steps;
  }

  /** A load that meets the fault at this step and at all that follow; what it came to, or that it never ends. */
  async function broken(setup: LoadSetup, step: number, fault: Fault): Promise<string> {
    const tab = new Tab(origin);
    const hangs = new Promise<string>((resolve) => {
      tab.beforeStep = (now, kind) => {
        if (now < step) return;
        fault(tab, kind);
        if (fault === close) resolve("closed");
      };
    });
    return Promise.race([outcomeOf(versionIn(versions, setup, tab)), hangs]);
  }

  describe.each([
    ["since its tab is closed", close, 2],
    ["since the storage is full", fill, 5],
    ["since the storage fails", breakStorage, 7],
    ["since the network is gone", disconnect, 7],
  ])("%s", (_, fault, stride) => {
    const CODES = ["NETWORK", "closed"];

    test("at any step leaves the copy that works, or the new one", async () => {
      serve(versions);
      const reload = { cache: "reload" } as const;
      served = [[-1, two]];
      const steps = await stepsOf(reload);
      for (let step = 1; step <= steps; step += stride) {
        origin.entries.clear();
        served = [[-1, one]];
        await versionIn(versions);
        served = [[-1, two]];
        const outcome = await broken(reload, step, fault);
        expect(["two", ...CODES], `step ${step}`).toContain(outcome);
        const kept = await offline(() => versionIn(versions));
        expect(["one", "two"], `step ${step}`).toContain(kept);
        expect(await versionIn(versions, reload), `step ${step}`).toBe("two");
        await expectClean(versions, "two");
      }
    });

    test("at any step of the first load leaves the next one to go on", async () => {
      serve(versions);
      served = [[-1, one]];
      const steps = await stepsOf({});
      for (let step = 1; step <= steps; step += stride) {
        origin.entries.clear();
        const outcome = await broken({}, step, fault);
        expect(["one", ...CODES], `step ${step}`).toContain(outcome);
        expect(await versionIn(versions), `step ${step}`).toBe("one");
        await expectClean(versions, "one");
      }
    });
  });

  test("goes on with the files that have come", async () => {
    serve(versions);
    served = [[-1, one]];
    const tab = new Tab(origin);
    const closed = new Promise<string>((resolve) => {
      tab.beforeStep = () => {
        if (tab.storage.blobs.length < Object.keys(one).length - 1) return;
        tab.close();
        resolve("closed");
      };
    });
    expect(await Promise.race([outcomeOf(versionIn(versions, {}, tab)), closed])).toBe("closed");
    serve(versions);
    served = [[-1, one]];
    expect(await versionIn(versions)).toBe("one");
    expect(server.taken).toEqual([Object.keys(one).at(-1)]);
  });
});

describe("of two tabs", () => {
  test("one fetches, and the other reads while the engine is at work in the first", async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    let engineIsAtWork = () => {};
    const atWork = new Promise<void>((resolve) => (engineIsAtWork = resolve));
    const never = async () => {
      engineIsAtWork();
      return new Promise<never>(() => {});
    };
    void new Tab(origin).run(() => load({ load: never }));
    const second = atWork.then(() => versionIn(CHECKPOINTS));
    const third = versionIn(CHECKPOINTS);
    expect(await Promise.all([second, third])).toEqual(["one", "one"]);
    expect(server.taken).toEqual(["config.json", "tokenizer.json", "model.safetensors"]);
  });

  test("and more share one download, also before the first has accepted what the engine took", async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    const waiting: (() => void)[] = [];
    const slowToAccept = () => {
      const tab = new Tab(origin);
      const taken = async () => {
        await new Promise<void>((resolve) => waiting.push(resolve) === 2 && waiting.forEach((goOn) => goOn()));
        tab.beforeStep = () => turns(100);
        return new FakeEngine();
      };
      return tab.run(() => load({ load: taken }));
    };
    const others = [slowToAccept(), slowToAccept()];
    expect(await Promise.all([versionIn(CHECKPOINTS), versionIn(CHECKPOINTS)])).toEqual(["one", "one"]);
    await Promise.all(others);
    expect(server.taken).toEqual(["config.json", "tokenizer.json", "model.safetensors"]);
    await expectClean(CHECKPOINTS, "one");
  });

  test("one takes over wherever the other is closed", async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    const whole = new Tab(origin);
    await versionIn(CHECKPOINTS, {}, whole);
    for (let step = 1; step < whole.steps; step += 3) {
      origin.entries.clear();
      const first = new Tab(origin);
      first.beforeStep = (now) => {
        if (now === step) first.close();
      };
      void outcomeOf(versionIn(CHECKPOINTS, {}, first));
      expect(await versionIn(CHECKPOINTS), `step ${step}`).toBe("one");
      await expectClean(CHECKPOINTS, "one");
    }
  });

  test("one replaces what the other reads: both load a whole version", async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    await versionIn(CHECKPOINTS);
    const reader = new Tab(origin);
    await versionIn(CHECKPOINTS, {}, reader);
    served = [[-1, CHECKPOINTS["two"]!]];
    for (let step = 1; step < reader.steps; step += 3) {
      const late = new Tab(origin);
      let reload: Promise<string> | undefined;
      late.beforeStep = async (now) => {
        if (now !== step) return;
        reload = versionIn(CHECKPOINTS, { cache: "reload" });
        // Where this tab has a lock, the other waits for it.
        await Promise.race([reload, new Promise((resolve) => setTimeout(resolve, 2000))]);
      };
      expect(["one", "two"]).toContain(await versionIn(CHECKPOINTS, {}, late));
      expect(await reload).toBe("two");
      expect(await versionIn(CHECKPOINTS)).toBe("two");
      await expectClean(CHECKPOINTS, "two");
    }
  });
});

describe("a hub", () => {
  const COMMITS = { one: "1".repeat(40), two: "2".repeat(40) };
  const hub = { url: "https://hub/owner/name/resolve/main/", source: "owner/name", hub: "https://hub/", revision: "main" };

  /** The branch moves on at some request; the first version stays at its commit. */
  function serveHub(from: number): void {
    const answer = (name: string, revision: string): Answer => () => {
      const version = revision === COMMITS.one ? "one" : revision === COMMITS.two || server.requests.length > from ? "two" : "one";
      const body = CHECKPOINTS[version]![name];
      const headers = { "x-repo-commit": COMMITS[version] };
      return body ? ok(body, headers)() : status(404, headers)();
    };
    const names = ["tabrank.json", "1_Dense/model.safetensors", ...Object.keys(CHECKPOINTS["two"]!)];
    const files = ["main", ...Object.values(COMMITS)].flatMap((revision) => names.map((name) => [`/owner/name/resolve/${revision}/${name}`, answer(name, revision)]));
    server = new FakeServer(Object.fromEntries(files) as Record<string, Answer>);
    origin.stubFetch();
  }

  test("is asked for the branch once, and then for the commit that it stands for", async () => {
    for (let request = 0; request < 6; request++) {
      origin.entries.clear();
      serveHub(request);
      const version = await versionIn(CHECKPOINTS, hub);
      expect(server.requests.map((path) => path.split("/")[4])).toEqual(["main", ...Array(5).fill(COMMITS[version as "one" | "two"])]);
      const listed = await new Tab(origin).run(listStored);
      expect(listed).toMatchObject([{ source: "owner/name", hub: "https://hub/", revision: "main", commit: COMMITS[version as "one" | "two"], complete: true }]);
      expect(await offline(() => versionIn(CHECKPOINTS, hub))).toBe(version);
    }
  });
});

describe("a stored model that meets a newer reader", () => {
  const MORE: WantedFile = { name: "generation.json", optional: true };

  /** As a version of this package that wants one file more. */
  const newer = (optional: boolean): LoadSetup => ({
    module: { Checkpoint: class extends FakeCheckpoint {
      constructor() {
        super([[{ name: "config.json", optional: false }, { ...MORE, optional }], [{ name: "modules.json", optional: true }, { name: "tokenizer.json", optional: false }, { name: "model.safetensors", optional: false }]]);
      }
    } },
  });

  beforeEach(async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    await versionIn(CHECKPOINTS);
  });

  test("counts the file as absent where it is optional and the server out of reach", async () => {
    expect(await offline(() => versionIn(CHECKPOINTS, newer(true)))).toBe("one");
    serve(CHECKPOINTS);
    const asked = server.requests.length;
    expect(await versionIn(CHECKPOINTS, newer(true))).toBe("one");
    expect(server.requests.length).toBeGreaterThan(asked);
    expect(server.taken).toEqual([]);
    expect(await offline(() => versionIn(CHECKPOINTS, newer(true)))).toBe("one");
  });

  test("says what is missing where it is not, and stays for older readers", async () => {
    const loading = offline(() => versionIn(CHECKPOINTS, newer(false)));
    await expect(loading).rejects.toMatchObject({ code: "OFFLINE_NOT_CACHED", message: expect.stringContaining("generation.json was not stored") });
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("one");
  });
});

describe("a copy that works", () => {
  const refusal = (code: string) => async () => {
    throw engineError(code, "no");
  };

  beforeEach(async () => {
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    await versionIn(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["two"]!]];
  });

  test.each(["CHECKPOINT_INVALID", "CHECKPOINT_UNSUPPORTED", "OUT_OF_MEMORY", "INTERNAL", "ABORTED", "NON_FINITE"])("stays when the new version fails with %s", async (code) => {
    await expect(new Tab(origin).run(() => load({ cache: "reload", load: refusal(code) }))).rejects.toMatchObject({ code });
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("one");
  });

  test.each(["DEVICE_LOST", "WEBGPU_UNAVAILABLE", "OUT_OF_MEMORY", "INTERNAL", "ABORTED"])("stays when it fails itself with %s", async (code) => {
    await expect(new Tab(origin).run(() => load({ load: refusal(code) }))).rejects.toMatchObject({ code });
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("one");
  });

  test("that is refused itself is replaced by what the server has, or stays where that cannot be had", async () => {
    const isRefused = async (checkpoint: FakeCheckpoint) => {
      if (versionOf(CHECKPOINTS, checkpoint) === "one") throw engineError("CHECKPOINT_UNSUPPORTED", "no longer");
      return new FakeEngine();
    };
    await expect(offline(() => new Tab(origin).run(() => load({ load: isRefused })))).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED" });
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("one");
    await new Tab(origin).run(() => load({ load: isRefused }));
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("two");
    await expectClean(CHECKPOINTS, "two");
  });

  test("stays when the storage fails for a moment at any step of its load", async () => {
    const whole = new Tab(origin);
    await offline(() => versionIn(CHECKPOINTS, {}, whole));
    const entries = [...origin.entries];
    for (let step = 1; step <= whole.steps; step++) {
      origin.entries.clear();
      for (const [url, entry] of entries) origin.entries.set(url, entry);
      const tab = new Tab(origin);
      tab.beforeStep = (now) => {
        if (now === step) throw new DOMException("broken", "UnknownError");
      };
      const outcome = await offline(() => outcomeOf(versionIn(CHECKPOINTS, {}, tab)));
      expect(["one", "CACHE_CORRUPT_OFFLINE", "OFFLINE_NOT_CACHED"], `step ${step}`).toContain(outcome);
      expect(await offline(() => versionIn(CHECKPOINTS)), `step ${step}`).toBe("one");
    }
  });

  test("and is damaged leaves the memory to the one that takes its place", async () => {
    const { storage } = new Tab(origin);
    origin.entries.get(storage.addressOf("model.safetensors"))!.bytes.fill(0);
    let freed = 0;
    const Checkpoint = class extends FakeCheckpoint {
      override free(): void {
        freed++;
      }
    };
    expect(await versionIn(CHECKPOINTS, { module: { Checkpoint } })).toBe("two");
    expect(freed).toBe(1);
  });

  test("of which a file is damaged stays when the new version is refused, so that it can be mended", async () => {
    const { storage } = new Tab(origin);
    origin.entries.get(storage.addressOf("tokenizer.json"))!.bytes.fill(0);
    await expect(new Tab(origin).run(() => load({ load: refusal("CHECKPOINT_INVALID") }))).rejects.toMatchObject({ code: "CHECKPOINT_INVALID" });
    serve(CHECKPOINTS);
    served = [[-1, CHECKPOINTS["one"]!]];
    expect(await versionIn(CHECKPOINTS)).toBe("one");
    expect(server.taken).toEqual(["tokenizer.json"]);
  });

  test("stays when a reload finds no server", async () => {
    server = new FakeServer({ "tabrank.json": networkError });
    await expect(new Tab(origin).run(() => load({ cache: "reload" }))).rejects.toMatchObject({ code: "NETWORK" });
    expect(await offline(() => versionIn(CHECKPOINTS))).toBe("one");
  });
});
