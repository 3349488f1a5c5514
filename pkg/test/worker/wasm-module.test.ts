import { afterEach, describe, expect, test, vi } from "vitest";
import { compileModule } from "../../src/worker/wasm-module.js";
import { misfit } from "../../src/worker/wasm-proof.js";
import { FakeServer, html, hurry, networkError, ok, pieces, status } from "../support/server.js";

const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const TYPED = { "content-type": "application/wasm" };
const ADDRESS = "https://host/model/tabrank.wasm";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test.each([
  ["of the right type", ok(WASM, TYPED)],
  ["of another type", ok(WASM, { "content-type": "application/octet-stream" })],
])("a module %s is compiled", async (_, answer) => {
  new FakeServer({ "tabrank.wasm": answer });
  expect(await compileModule(ADDRESS)).toBeInstanceOf(WebAssembly.Module);
  expect(FakeServer.last!.inits[0]).toMatchObject({ credentials: "same-origin", referrerPolicy: "no-referrer" });
});

test.each([
  ["a page", html, { code: "INTEGRITY_FAILED", message: `${ADDRESS} holds a web page (HTML)` }],
  ["text", ok("hello"), { code: "INTEGRITY_FAILED", message: `${ADDRESS} holds no WebAssembly module` }],
  ["a page typed as wasm", ok("<!doctype html>", TYPED), { code: "INTEGRITY_FAILED", message: expect.stringContaining("no valid WebAssembly module") }],
  ["404", status(404), { code: "HTTP_STATUS", details: { url: ADDRESS, status: 404 } }],
])("%s in its place is an error that names the fix", async (_, answer, error) => {
  new FakeServer({ "tabrank.wasm": answer });
  await expect(compileModule(ADDRESS)).rejects.toMatchObject({ ...error, hint: expect.stringMatching(/optimizeDeps: \{ exclude: \["tabrank"\] \}.*wasmUrl is.*gpuWasmUrl that of/) });
});

test("the module of the CPU in place of the one with WebGPU is an error that names both", () => {
  const cause = new TypeError('WebAssembly.instantiate(): Import #0 "./tabrank_bg.js": module is not an object or function');
  expect(misfit(ADDRESS, cause)).toMatchObject({ code: "INTEGRITY_FAILED", hint: expect.stringMatching(/one version.*wasmUrl is.*gpuWasmUrl that of/) });
});

test.each([["404", status(404)], ["a page", html], ["a network error", networkError], ["no module", ok("hello", TYPED)]])("%s: the error shows nothing of the address's query", async (_, answer) => {
  hurry();
  new FakeServer({ "tabrank.wasm": answer });
  const error = { message: expect.not.stringContaining("SECRET"), details: { url: `${ADDRESS}?…` } };
  await expect(compileModule(`${ADDRESS}?sig=SECRET`)).rejects.toMatchObject(error);
});

test.each([
  "WebAssembly.compileStreaming(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because 'unsafe-eval' is not an allowed source",
  "call to WebAssembly.compileStreaming() blocked by CSP",
])("a refusal by the Content-Security-Policy is told as such", async (text) => {
  new FakeServer({ "tabrank.wasm": ok(WASM, TYPED) });
  vi.spyOn(WebAssembly, "compileStreaming").mockRejectedValue(new WebAssembly.CompileError(text));
  await expect(compileModule(ADDRESS)).rejects.toMatchObject({ code: "WASM_BLOCKED_BY_CSP" });
});

describe("of another origin", () => {
  // As sha256sum has it.
  const sha256 = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
  const compile = async (known: string[], surroundings: Record<string, unknown> = {}, answer = ok(WASM, TYPED)) => {
    new FakeServer({ "tabrank.wasm": answer });
    for (const [name, value] of Object.entries({ origin: "https://page", WASM_SHA256: known, ...surroundings })) vi.stubGlobal(name, value);
    return compileModule(ADDRESS);
  };

  test("a module that is this version's is compiled, also where the worker has no origin", async () => {
    expect(await compile(["0".repeat(64), sha256])).toBeInstanceOf(WebAssembly.Module);
    expect(await compile([sha256], { origin: "null" })).toBeInstanceOf(WebAssembly.Module);
  });

  test("any other is refused before it is compiled", async () => {
    const compiled = vi.spyOn(WebAssembly, "compile");
    const streamed = vi.spyOn(WebAssembly, "compileStreaming");
    const error = { code: "INTEGRITY_FAILED", message: expect.stringContaining(sha256), hint: expect.stringContaining("one version") };
    await expect(compile(["0".repeat(64)])).rejects.toMatchObject(error);
    await expect(compile([], { origin: "null" })).rejects.toMatchObject(error);
    expect(compiled).not.toHaveBeenCalled();
    expect(streamed).not.toHaveBeenCalled();
  });

  test("none is asked for proof where there are no means of it, nor one of the page's own origin", async () => {
    expect(await compile([], { isSecureContext: false })).toBeInstanceOf(WebAssembly.Module);
    expect(await compile([], { origin: "https://host" })).toBeInstanceOf(WebAssembly.Module);
  });
});

test("a network error is tried again", async () => {
  vi.useFakeTimers();
  new FakeServer({ "tabrank.wasm": [networkError, status(503), ok(WASM, TYPED)] });
  const compiling = compileModule(ADDRESS);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await compiling).toBeInstanceOf(WebAssembly.Module);
});

test("a module that takes more than half a minute is read piece by piece, and waited for as long as bytes come", async () => {
  vi.useFakeTimers();
  const slow = () => {
    const parts = [...WASM].map((byte) => Uint8Array.of(byte));
    const next = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      await new Promise((resolve) => setTimeout(resolve, 25_000));
      if (parts.length > 0) controller.enqueue(parts.shift()!);
      else controller.close();
    };
    return new Response(new ReadableStream({ pull: next }, { highWaterMark: 0 }), { headers: TYPED });
  };
  new FakeServer({ "tabrank.wasm": slow });
  const compiling = compileModule(ADDRESS);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(await compiling).toBeInstanceOf(WebAssembly.Module);
});

test("a server that falls silent is a network error, tried again as such", async () => {
  vi.useFakeTimers();
  const never = () => new Promise<Response>(() => {});
  const hanging = pieces([WASM.slice(0, 4), null], TYPED);
  new FakeServer({ "tabrank.wasm": [never, hanging, hanging, never, hanging, never] });
  const compiling = compileModule(ADDRESS);
  compiling.catch(() => {});
  await vi.advanceTimersByTimeAsync(200_000);
  await expect(compiling).rejects.toMatchObject({ code: "NETWORK", message: `${ADDRESS} sent no byte for 30 seconds`, retryable: true });
  expect(FakeServer.last!.requests).toHaveLength(6);
});
