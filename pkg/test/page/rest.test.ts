/** What the package fetches with its first call. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeEngine, fakeModule } from "../support/engine.js";
import { safetensors } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

const REST = "../../src/page/calls.js";

beforeEach(() => {
  stubSite();
  stubWorkers(fakeModule(async () => new FakeEngine()));
});
afterEach(() => {
  vi.doUnmock(REST);
  vi.resetModules();
  vi.unstubAllGlobals();
});

/** The package as a page has it that has made no call. `fetchRest` is asked once for each attempt. */
async function fresh(fetchRest: () => Promise<object>): Promise<typeof import("../../src/index.js")> {
  vi.doMock(REST, fetchRest);
  return import("../../src/index.js");
}

const real = () => vi.importActual<object>(REST);

describe("the rest of the package", () => {
  test("is fetched by the first call, and once", async () => {
    const fetchRest = vi.fn(real);
    const { Reranker } = await fresh(fetchRest);
    expect(fetchRest).not.toHaveBeenCalled();
    const loads = [1, 2].map(() => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm" }));
    for (const reranker of await Promise.all(loads)) expect((await reranker.rerank("q", ["a", "bb"])).results[0]!.index).toBe(1);
    expect(fetchRest).toHaveBeenCalledOnce();
  });

  test("that does not come is an error of ours", async () => {
    const { Reranker, RerankerError } = await fresh(async () => {
      throw new TypeError("Failed to fetch dynamically imported module");
    });
    const error: unknown = await Reranker.load("/model").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RerankerError);
    expect(error).toMatchObject({ code: "NETWORK", retryable: true, message: "a script of the package could not be loaded" });
  });

  test("is not waited for after an abort", async () => {
    const { Reranker } = await fresh(() => new Promise(() => {}));
    const stopping = new AbortController();
    const loading = Reranker.load("/model", { signal: stopping.signal });
    stopping.abort();
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    await expect(Reranker.load("/model", { signal: stopping.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  test("finds files as they were when the load was asked for", async () => {
    const { Reranker } = await fresh(real);
    const config = new TextEncoder().encode("{}");
    const loading = Reranker.load({ "config.json": config, "tokenizer.json": new Blob(["[]"]), "model.safetensors": safetensors(50) }, { wasmUrl: "/model/tabrank.wasm" });
    structuredClone(config, { transfer: [config.buffer] });
    expect(config).toHaveLength(0);
    expect((await loading).device).toBe("cpu");
  });
});
