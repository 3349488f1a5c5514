import { expect, test } from "vitest";
import { type ErrorCode, RerankerError } from "../../src/error.js";
import { PAGE } from "../../src/worker/contents.js";
import { withHint } from "../../src/worker/hints.js";

test("a model's id that was taken for an address: the hint names `hub`", () => {
  expect(withHint({ code: "HTTP_STATUS", message: "" }, undefined).hint).toContain("`hub`");
  expect(PAGE.hint).toContain("`hub`");
});

/** Whether people are told what to do, or the message itself says all there is to say. */
const CODES: Record<ErrorCode, boolean> = {
  INVALID_INPUT: false,
  INPUT_TOO_LARGE: true,
  MODEL_MISMATCH: true,
  NOT_CACHED: true,
  CHECKPOINT_INVALID: true,
  CHECKPOINT_UNSUPPORTED: true,
  BUNDLE_INVALID: true,
  BUNDLE_VERSION: true,
  INDEX_INVALID: true,
  WEBGPU_UNAVAILABLE: true,
  DEVICE_REJECTED: true,
  DEVICE_LOST: true,
  TIMEOUT: true,
  NON_FINITE: true,
  ABORTED: false,
  INTERNAL: true,
  NETWORK: true,
  HTTP_STATUS: true,
  INTEGRITY_FAILED: true,
  OFFLINE_NOT_CACHED: true,
  CACHE_CORRUPT_OFFLINE: true,
  OUT_OF_MEMORY: true,
  WORKER_FAILED: false,
  WASM_BLOCKED_BY_CSP: true,
  BUSY: true,
  DISPOSED: true,
};

/** As it comes to the caller. */
const hintOf = (code: ErrorCode, device?: "cpu" | "webgpu") => new RerankerError(withHint({ code, message: "m" }, device)).hint;

test.each(Object.entries(CODES))("%s has a hint: %s", (code, has) => {
  for (const device of [undefined, "cpu", "webgpu"] as const) expect(hintOf(code as ErrorCode, device) !== undefined).toBe(has);
});

test("hints fit what was going on", () => {
  expect(hintOf("OUT_OF_MEMORY")).toMatch(/smaller model/);
  expect(hintOf("OUT_OF_MEMORY", "cpu")).toMatch(/fewer or shorter documents/);
  expect(hintOf("NON_FINITE", "webgpu")).toMatch(/device "cpu"/);
  expect(hintOf("NON_FINITE", "cpu")).not.toMatch(/device/);
  expect(withHint({ code: "NON_FINITE", message: "m" }, "cpu", false).hint).toMatch(/embeddings/);
  expect(hintOf("HTTP_STATUS")).toMatch(/the checkpoint's folder/);
  expect(withHint({ code: "HTTP_STATUS", message: "m" }, "cpu", false).hint).toMatch(/^Check the address of the index's folder, .*server/);
  expect(hintOf("WASM_BLOCKED_BY_CSP")).toMatch(/'wasm-unsafe-eval'.*extension_pages/);
  expect(hintOf("NETWORK")).toMatch(/CORS/);
});

test("an error's own hint stays", () => {
  expect(withHint({ code: "NETWORK", message: "m", hint: "own" }, undefined).hint).toBe("own");
});
