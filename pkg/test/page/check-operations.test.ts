import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { checkOperations } from "../../src/index.js";
import { type FakeModule, fakeModule } from "../support/engine.js";
import { FakeServer } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

const WASM_URL = { wasmUrl: "/model/tabrank.wasm" };

let module: FakeModule;

beforeEach(() => {
  stubSite({});
  module = fakeModule();
  stubWorkers(module);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("checkOperations", () => {
  test("asks the engine of a worker without a model, which ends with it", async () => {
    const terminate = vi.spyOn(Worker.prototype, "terminate");
    const found = await checkOperations({ ...WASM_URL, seed: 7 });
    expect(found).toEqual([{ operation: "linear on cpu", shape: "seed 7", relative: 0.5, allowed: 1 }]);
    expect(FakeServer.last!.requests).toEqual(["tabrank.wasm"]);
    expect(terminate).toHaveBeenCalledTimes(1);
  });

  test("on WebGPU fails where there is none", async () => {
    await expect(checkOperations({ gpuWasmUrl: "/model/tabrank.wasm", device: "webgpu" })).rejects.toMatchObject({ code: "WEBGPU_UNAVAILABLE" });
  });

  test("ends its worker where it fails, and where it is aborted", async () => {
    const terminate = vi.spyOn(Worker.prototype, "terminate");
    module.checkOperations = () => Promise.reject(new Error("no"));
    await expect(checkOperations(WASM_URL)).rejects.toMatchObject({ code: "INTERNAL" });
    expect(terminate).toHaveBeenCalledTimes(1);

    module.checkOperations = () => new Promise(() => {});
    const controller = new AbortController();
    const check = checkOperations({ ...WASM_URL, signal: controller.signal });
    setTimeout(() => controller.abort("enough"), 20);
    await expect(check).rejects.toBe("enough");
    expect(terminate).toHaveBeenCalledTimes(2);
  });

  test.each([
    [{ device: "auto" }, 'device is none of "cpu", "webgpu"'],
    [{ seed: -1 }, "seed is -1; expected a whole number from 0"],
    [{ seed: 2 ** 32 }, "seed is 4294967296; expected a number from 0 to 4294967295"],
  ])("refuses %j", async (options, message) => {
    await expect(checkOperations(options as object)).rejects.toMatchObject({ code: "INVALID_INPUT", message });
  });
});
