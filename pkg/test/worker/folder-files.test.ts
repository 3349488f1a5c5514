import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FolderLocation } from "../../src/protocol.js";
import { gatherFolder as load, WEIGHTS } from "../support/folder.js";
import { type Answer, FakeServer, html, networkError, ok, pieces, status } from "../support/server.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a whole checkpoint", () => {
  test("arrives byte for byte, with an optional file that is missing", async () => {
    const { checkpoint, server } = await load({});
    expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
    expect([...checkpoint.missing]).toEqual(["tabrank.json", "modules.json", "1_Dense/model.safetensors"]);
    expect(server.taken).toEqual(["config.json", "tokenizer.json", "model.safetensors"]);
  });

  test.each([
    ["no foreign cookies", { "x-tenant": "a" }, "same-origin"],
    ["no cookies at all, and no name and password of the browser's, beside the caller's", { authorization: "Bearer x" }, "omit"],
  ])("is asked for with %s, without a referrer, with the caller's headers", async (_, headers, credentials) => {
    const { server } = await load({}, { headers } as Partial<FolderLocation>);
    expect(server.inits.length).toBeGreaterThan(6);
    for (const init of server.inits) expect(init).toMatchObject({ credentials, referrerPolicy: "no-referrer", headers });
  });

  test("arrives from an extension's own folder, which fails where it has no such file", async () => {
    const missing = Object.fromEntries(["tabrank.json", "modules.json", "1_Dense/model.safetensors"].map((name) => [name, networkError]));
    const { checkpoint, server } = await load(missing, { url: "chrome-extension://id/model/" });
    expect([...checkpoint.missing]).toEqual(Object.keys(missing));
    expect(server.requests).toHaveLength(6);
    const url = "chrome-extension://id/model/config.json";
    await expect(load({ ...missing, "config.json": networkError }, { url: "chrome-extension://id/model/" })).rejects.toMatchObject({ code: "HTTP_STATUS", details: { url, status: 404 } });
  });

  test("arrives where the page can neither hash a file nor read a tag of it", async () => {
    const untagged = { "config.json": ok("{}", {}), "tokenizer.json": ok("[]", {}), "model.safetensors": ok(WEIGHTS, {}) };
    const insecure: Answer = (init) => {
      vi.stubGlobal("isSecureContext", false);
      return status(404)(init);
    };
    const { checkpoint } = await load({ ...untagged, "tabrank.json": insecure });
    expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
  });

  test("of many weight files keeps four responses open at most", async () => {
    const names = Array.from({ length: 6 }, (_, part) => `model-${part}.safetensors`);
    const files = Object.fromEntries(names.map((name) => [name, ok(WEIGHTS)]));
    const { checkpoint, server } = await load(files, {}, [names.map((name) => ({ name, optional: false }))]);
    expect(checkpoint.added.size).toBe(6);
    expect(server.requests.slice(0, 9)).toEqual(["tabrank.json", ...names, ...names.slice(4)]);
  });
});

describe("an answer that passes", () => {
  test.each([
    ["network errors", [networkError, networkError, ok(WEIGHTS)]],
    ["status 500 and 429", [status(500), status(429, { "retry-after": "2" }), ok(WEIGHTS)]],
    ["a body that breaks off", [pieces([WEIGHTS.subarray(0, 500), new TypeError("network error")]), ok(WEIGHTS)]],
    ["a body that is too short", [pieces([WEIGHTS.subarray(0, 500)]), ok(WEIGHTS)]],
    ["a body that stalls", [pieces([WEIGHTS.subarray(0, 500), null]), ok(WEIGHTS)]],
  ])("is asked for again after %s", async (_, answers) => {
    const { checkpoint } = await load({ "model.safetensors": answers });
    expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
  });

  test.each([
    ["a network error", networkError, { code: "NETWORK" }],
    ["status 503", status(503), { code: "HTTP_STATUS", retryable: true, details: { status: 503 } }],
    ["a stalled body", pieces([WEIGHTS.subarray(0, 50), null]), { code: "NETWORK", message: expect.stringContaining("30 seconds") }],
    ["a short body", pieces([WEIGHTS.subarray(0, -1)]), { code: "INTEGRITY_FAILED", message: expect.stringMatching(/sent [\d,]+ bytes; expected [\d,]+/) }],
    ["a long body", ok(new Uint8Array([...WEIGHTS, 0])), { code: "INTEGRITY_FAILED" }],
  ])("fails after three tries with %s", async (_, answer, error) => {
    await expect(load({ "model.safetensors": answer })).rejects.toMatchObject({ name: "RerankerError", ...error });
  });

  test("offline is an error at once", async () => {
    vi.stubGlobal("navigator", { onLine: false });
    await expect(load({ "config.json": networkError })).rejects.toMatchObject({ code: "OFFLINE_NOT_CACHED" });
  });
});

describe("an answer that stays", () => {
  test.each([
    ["404", "config.json", status(404), { code: "HTTP_STATUS", message: "https://host/model/config.json answered with status 404" }],
    ["405", "tokenizer.json", status(405), { code: "HTTP_STATUS", message: "https://host/model/tokenizer.json answered with status 405", retryable: false }],
    ["404 for a file that others call for", "tokenizer.json", status(404), { code: "CHECKPOINT_INVALID", message: "tokenizer.json is missing: https://host/model/tokenizer.json answered with status 404", details: { status: 404 } }],
    ["HTML for JSON", "config.json", html, { code: "INTEGRITY_FAILED", message: "https://host/model/config.json holds a web page (HTML)", hint: expect.stringContaining("index.html") }],
    ["HTML for weights, typed as data", "model.safetensors", ok("<!DOCTYPE html>"), { code: "INTEGRITY_FAILED", message: expect.stringContaining("HTML") }],
    ["a Git LFS pointer", "model.safetensors", ok("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"), { code: "INTEGRITY_FAILED", message: expect.stringContaining("Git LFS") }],
    ["no safetensors", "model.safetensors", ok(new Uint8Array(4000)), { code: "INTEGRITY_FAILED", message: expect.stringContaining("no safetensors header") }],
  ])("%s fails at the first try, naming address and cause", async (_, name, answer, error) => {
    await expect(load({ [name]: answer })).rejects.toMatchObject(error);
    expect(FakeServer.last!.requests.filter((request) => request === name)).toHaveLength(1);
  });

  test("HTML for optional files means that they are missing", async () => {
    const { checkpoint } = await load({ "modules.json": html, "1_Dense/model.safetensors": html });
    expect([...checkpoint.missing]).toEqual(["tabrank.json", "modules.json", "1_Dense/model.safetensors"]);
  });

  test("a header that claims more than 1.5 GiB allocates nothing", async () => {
    const header = new TextEncoder().encode(JSON.stringify({ weight: { data_offsets: [0, 2 ** 31] } }));
    const claim = new Uint8Array(8 + header.length);
    new DataView(claim.buffer).setBigUint64(0, BigInt(header.length), true);
    claim.set(header, 8);
    await expect(load({ "model.safetensors": ok(claim) })).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: expect.stringContaining("2,147,483,") });
  });

  test("a file over its limit is read no further than the chunk that goes past it", async () => {
    let sent = 0;
    const endless = () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array((sent++, 65536)).fill(32)) }, { highWaterMark: 0 }));
    await expect(load({ "config.json": endless })).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: "config.json has more than 8,388,608 bytes; at most 8,388,608 are loaded in a browser" });
    expect((sent - 1) * 65536).toBe(8 * 1024 * 1024);
  });

  test("an index of too many shards is refused before they are asked for", async () => {
    const shards = Array.from({ length: 3000 }, (_, part) => ({ name: `model-${part}.safetensors`, optional: false }));
    await expect(load({}, {}, [shards])).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: expect.stringContaining("3,000 files; at most 256") });
    expect(FakeServer.last!.requests).toEqual(["tabrank.json"]);
  });
});
