/** A page of a host that has the package's module, and a model's files beside it. */

import { vi } from "vitest";
import { type Answer, FakeServer, ok, safetensors } from "./server.js";
import { stubStorage } from "./storage.js";

/** The shortest module that there is. */
export const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

export const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[]"), "model.safetensors": ok(safetensors(50)) };

/** Until `vi.unstubAllGlobals`. */
export function stubSite(files: Record<string, Answer> = FILES): void {
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("location", { href: "https://host/app/index.html" });
  stubStorage();
  new FakeServer({ ...files, "tabrank.wasm": ok(WASM, { "content-type": "application/wasm" }) });
}
