import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { engineError, type FakeCheckpoint, FakeEngine } from "../support/engine.js";
import { load, messages } from "../support/load.js";
import { FakeServer, ok, safetensors } from "../support/server.js";
import { stubStorage } from "../support/storage.js";

const FILES = { "config.json": ok("{}"), "tokenizer.json": ok("[1,2,3]"), "model.safetensors": ok(safetensors(1000)) };

/** What was handed to the page, as bytes. */
async function shared(): Promise<[string, Uint8Array][][]> {
  const all = messages.flatMap((message) => (message.type === "files" ? [message.files] : []));
  return Promise.all(all.map((files) => Promise.all(Object.entries(files).map(async ([name, blob]): Promise<[string, Uint8Array]> => [name, new Uint8Array(await blob.arrayBuffer())]))));
}

beforeEach(() => {
  stubStorage();
  vi.stubGlobal("navigator", {});
});
afterEach(() => vi.unstubAllGlobals());

describe("the files of a load", () => {
  test.each([
    ["as they are", undefined],
    ["converted", { dtype: "q8" } as const],
  ])("come back %s, once, and another load of them gives the engine the same", async (_, convert) => {
    new FakeServer(FILES);
    const taken: FakeCheckpoint[] = [];
    const engine = async (checkpoint: FakeCheckpoint) => (taken.push(checkpoint), new FakeEngine());
    await load({ convert, share: true, load: engine });
    const [files, ...more] = await shared();
    expect(more).toEqual([]);
    expect(new Map(files)).toEqual(taken[0]!.added);
    const offline = new FakeServer({});
    const given = Object.fromEntries(files!.map(([name, bytes]) => [name, new Blob([bytes as Uint8Array<ArrayBuffer>])]));
    await load({ kind: "files", files: given, load: engine, share: true } as never);
    expect(taken[1]!.added).toEqual(taken[0]!.added);
    // The page has those that it gave.
    expect(await shared()).toEqual([]);
    expect(offline.requests).toEqual([]);
  });

  test("do not come back where nobody asked, nor where the engine refuses them", async () => {
    new FakeServer(FILES);
    await load();
    expect(await shared()).toEqual([]);
    await expect(load({ share: true, load: async () => Promise.reject(engineError("CHECKPOINT_INVALID", "tensor missing")) })).rejects.toThrow("tensor missing");
    expect(await shared()).toEqual([]);
  });
});
