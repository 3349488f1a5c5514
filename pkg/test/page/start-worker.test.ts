import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Reranker } from "../../src/index.js";

declare const process: { getBuiltinModule(name: string): unknown };

const WORKER = "https://cdn.example/tabrank/worker.js";

/** Where this runs, as far as the package looks at it. */
function stub(names: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(names)) vi.stubGlobal(name, value);
}

function stubWorker(start: (url: string | URL) => void): void {
  vi.stubGlobal(
    "Worker",
    class extends EventTarget {
      constructor(url: string | URL) {
        super();
        start(url);
      }
      postMessage(): void {}
      terminate(): void {}
    },
  );
}

/** As browsers refuse: `TypeError` where trusted types do. */
const refusing = (name: string) => () => {
  throw name === "TypeError" ? new TypeError("refused") : new DOMException("refused", name);
};

const load = (options: object = {}) => Reranker.load("https://host/model/", { wasmUrl: "https://host/tabrank.wasm", ...options });

beforeEach(() => stub({ location: { href: "https://host/app/", protocol: "https:" }, origin: "https://host" }));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.resetModules();
});

describe("where there are no workers", () => {
  test.each<[string, Record<string, unknown>, string, string]>([
    ["a service worker", { ServiceWorkerGlobalScope: class {} }, "a service worker cannot start workers", "offscreen document"],
    ["a shared worker", { SharedWorkerGlobalScope: class {} }, "a shared worker cannot start workers", "in a page"],
    ["a server", { location: undefined, origin: undefined }, "there are no workers here", "once the component is mounted"],
  ])("%s: the load says what to do", async (_, names, message, hint) => {
    stub({ Worker: undefined, ...names });
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
    await expect(load()).rejects.toMatchObject({ code: "WORKER_FAILED", message, hint: expect.stringContaining(hint) });
    // A relative address, which means nothing here, is not what is wrong.
    await expect(Reranker.load("/model/")).rejects.toMatchObject({ code: "WORKER_FAILED" });
  });
});

describe("where a worker is refused", () => {
  test.each<[string, Record<string, unknown>, string, string]>([
    ["a page from a file", { location: { href: "file:///app/index.html", protocol: "file:" }, origin: "null" }, "SecurityError", "through a web server"],
    ["a sandboxed frame", { origin: "null" }, "SecurityError", "needs workerUrl, and Access-Control-Allow-Origin"],
    ["a page under trusted types", {}, "TypeError", "'allow-duplicates'"],
    ["another origin", {}, "SecurityError", "the page's own origin"],
  ])("%s: the load says what to do", async (_, names, error, hint) => {
    stub(names);
    stubWorker(refusing(error));
    await expect(load()).rejects.toMatchObject({ code: "WORKER_FAILED", message: `the browser refused to start the worker (${error})`, hint: expect.stringContaining(hint) });
  });

  test("a second copy of the package, whose policy has a name that is taken", async () => {
    stubWorker(() => {});
    stub({ trustedTypes: { createPolicy: refusing("TypeError") } });
    await expect(load({ workerUrl: "/worker.js" })).rejects.toMatchObject({ code: "WORKER_FAILED", hint: expect.stringMatching(/list tabrank, with 'allow-duplicates'/) });
  });

  test("a page from a file asks for a model beside it", async () => {
    stub({ location: { href: "file:///app/index.html", protocol: "file:" }, origin: "null" });
    stubWorker(() => {});
    await expect(Reranker.load("model/")).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringContaining("the scheme file:"), hint: "Open the page through a web server." });
  });
});

describe("a worker's address", () => {
  const started = async (workerUrl: string | URL) => {
    const urls: string[] = [];
    stubWorker((url) => urls.push(String(url)));
    const controller = new AbortController();
    const loading = load({ workerUrl, signal: controller.signal });
    await vi.waitUntil(() => urls.length > 0);
    controller.abort();
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    return urls[0]!;
  };

  test.each(["/assets/worker.js", "blob:https://host/1", "https://host/worker.js"])("of the page's own origin is used as it is: %s", async (url) => {
    expect(await started(url)).toBe(new URL(url, "https://host/app/").href);
  });

  test.each([["another origin", "https://host"], ["a page without one", "null"]])("of %s is run by a script of the page's own", async (_, origin) => {
    const scripts: Blob[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((script) => `blob:${origin}/${scripts.push(script as Blob)}`);
    stub({ origin });
    expect(await started(WORKER)).toBe(`blob:${origin}/1`);
    expect(await scripts[0]!.text()).toBe(`importScripts("${WORKER}")`);
    expect(scripts[0]!.type).toBe("text/javascript");
  });
});
