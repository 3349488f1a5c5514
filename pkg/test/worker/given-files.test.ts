import { describe, expect, test } from "vitest";
import { gather } from "../../src/worker/checkpoint-source.js";
import { GivenFiles } from "../../src/worker/given-files.js";
import { LoadMeter } from "../../src/worker/load-meter.js";
import { bundleOf, FakeCheckpoint } from "../support/engine.js";
import { safetensors } from "../support/server.js";

const WHOLE = { "config.json": "{}", "tokenizer.json": "[]", "model.safetensors": safetensors(100) };

const { "model.safetensors": _, ...WEIGHTLESS } = WHOLE;

const blobsOf = (files: Record<string, BlobPart>) => Object.fromEntries(Object.entries(files).map(([name, content]) => [name, new Blob([content])]));
const take = (blobs: Record<string, Blob>) => gather(new FakeCheckpoint(), new GivenFiles(blobs), new LoadMeter(() => {}));
const give = (files: Record<string, BlobPart>) => take(blobsOf(files));

describe("files that the page gives", () => {
  test("are taken", () => give(WHOLE));

  test.each([
    ["model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "holds a Git LFS pointer", "git lfs pull"],
    ["model.safetensors", new Uint8Array([0x50, 0x4b, 3, 4, 0]), "holds a ZIP archive", "safetensors"],
    ["model.safetensors", "", "holds no bytes", "Upload"],
    ["config.json", "<!doctype html>", "holds a web page", "index.html"],
    ["modules.json", "<!doctype html>", "holds a web page", "index.html"],
    ["tokenizer.json", '{"error":"Entry not found"}', "holds an error message in JSON", "permissions"],
  ])("%s that is something else is told as what it is", async (name, content, what, hint) => {
    const error = { code: "INTEGRITY_FAILED", message: expect.stringContaining(`source["${name}"] ${what}`), hint: expect.stringContaining(hint) };
    await expect(give({ ...WHOLE, [name]: content })).rejects.toMatchObject(error);
  });

  test("a file that is too large is not read", async () => {
    const blob = Object.assign(new Blob(["{}"]), { arrayBuffer: () => Promise.reject(new Error("was read")), slice: () => Promise.reject(new Error("was read")) });
    Object.defineProperty(blob, "size", { value: 60e6 });
    await expect(take({ ...blobsOf(WHOLE), "config.json": blob })).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: "config.json has 60,000,000 bytes; at most 8,388,608 are loaded in a browser" });
  });

  test.each([
    ["pytorch_model.bin", "model.safetensors, but pytorch_model.bin: pickled weights", "tabrank convert"],
    ["onnx/model.onnx", "model.safetensors, but onnx/model.onnx: an ONNX graph", "exported from"],
    ["adapter_config.json", "model.safetensors, but adapter_config.json: an adapter", "merge_and_unload"],
  ])("without weights but with %s say so", async (name, message, hint) => {
    const error = { code: "CHECKPOINT_UNSUPPORTED", message: expect.stringContaining(message), hint: expect.stringContaining(hint) };
    await expect(give({ ...WEIGHTLESS, [name]: "x" })).rejects.toMatchObject(error);
  });

  test("with an adapter beside the weights are refused, but for those of a bundle", async () => {
    const adapter = { ...WHOLE, "adapter_config.json": "{}" };
    const error = { code: "CHECKPOINT_UNSUPPORTED", message: "source has adapter_config.json: an adapter beside the weights", hint: expect.stringContaining("merge_and_unload") };
    await expect(give(adapter)).rejects.toMatchObject(error);
    await give({ ...bundleOf("q8", { "weights-00001-of-00001.safetensors": safetensors(40) }), "adapter_config.json": "{}" });
  });

  test("with an adapter are refused where it lies beside the Transformer's weights, in whatever folder", async () => {
    const rounds = [[{ name: "0_Transformer/model.safetensors", optional: false }]];
    const beside = (file: string) => gather(new FakeCheckpoint(rounds), new GivenFiles(blobsOf({ "0_Transformer/model.safetensors": safetensors(100), [file]: "{}" })), new LoadMeter(() => {}));
    await expect(beside("0_Transformer/adapter_config.json")).rejects.toMatchObject({ message: "source has 0_Transformer/adapter_config.json: an adapter beside the weights" });
    await beside("adapter_config.json");
  });

  test("with the folder in front of their names say so", async () => {
    const error = { code: "CHECKPOINT_INVALID", message: 'source has no "config.json", but "my-model/config.json"', hint: expect.stringContaining('take "my-model/" off') };
    await expect(give(Object.fromEntries(Object.entries(WHOLE).map(([name, content]) => [`my-model/${name}`, content])))).rejects.toMatchObject(error);
  });

  test("with one missing are refused in the engine's words", async () => {
    await expect(give(WEIGHTLESS)).rejects.toMatchObject({ code: "CHECKPOINT_INVALID", message: "model.safetensors is missing" });
  });
});
