import { describe, expect, test } from "vitest";
import { foundInstead } from "../../src/worker/contents.js";
import { safetensors } from "../support/server.js";

const text = (content: string) => new TextEncoder().encode(content);
const bytes = (...values: number[]) => Uint8Array.from([...values, ...Array(40).fill(7)]);

/** First bytes as the programs named write them. */
const OTHERS: [string, Uint8Array, string | undefined, string][] = [
  ["no bytes", new Uint8Array(), "notice", "no bytes"],
  ["a page", text("\n<!DOCTYPE html><html>"), "page", "HTML"],
  ["a page behind a byte order mark and a comment", text("\uFEFF<!-- saved --><html lang=en>"), "page", "HTML"],
  ["an object store's error", text('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'), "notice", "XML"],
  ["an error in JSON", text('{"error":"Entry not found"}'), "notice", "error message in JSON"],
  ["an error in JSON, with more", text('{"statusCode":404,"message":"Cannot GET /m","error":"Not Found"}'), "notice", "error message in JSON"],
  ["a Git LFS pointer", text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), undefined, "Git LFS pointer"],
  ["an old Git LFS pointer", text("version https://hawser.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"), undefined, "Git LFS pointer"],
  ["gzip -c", bytes(0x1f, 0x8b, 8, 0), undefined, "gzip"],
  ["zstd", bytes(0x28, 0xb5, 0x2f, 0xfd), undefined, "Zstandard"],
  ["torch.save", bytes(0x50, 0x4b, 3, 4), undefined, "ZIP archive"],
  ["torch.save before 1.6", bytes(0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc), undefined, "pickle"],
  ["pickle.dumps", bytes(0x80, 4, 0x95), undefined, "pickle"],
  ["torch.onnx.export", Uint8Array.from([8, 8, 0x12, 7, ...text("pytorch")]), undefined, "ONNX"],
  ["llama.cpp", text("GGUF\u0003\0\0\0"), undefined, "GGUF"],
  ["Burn", text("NRUB\0\0"), undefined, "Burn record"],
  ["Keras", bytes(0x89, 0x48, 0x44, 0x46), undefined, "HDF5"],
];

describe.each(["model.safetensors", "config.json", "1_Dense/config.json", "tokenizer.json"])("in the place of %s", (name) => {
  test.each(OTHERS)("%s is told", (_, start, kind, what) => {
    const found = foundInstead(name, start);
    expect(found).toMatchObject({ what: expect.stringContaining(what), hint: expect.any(String) });
    expect(found!.kind).toBe(kind);
  });
});

test.each([
  ["model.safetensors", safetensors(100)],
  ["model.safetensors", new Uint8Array([0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0x7b, 0x22])],
  ["config.json", text('{"model_type": "bert", "error": 1}')],
  ["config.json", text('\uFEFF{"model_type": "bert"}')],
  ["config.json", text("{}")],
  ["modules.json", text("[]")],
  ["tokenizer.json", text('{"version": "1.0", "message": "of a long file"'.padEnd(1024))],
  ["artifact.metadata", text('{"query_token_id": "[unused0]"}')],
])("%s passes for what it is", (name, start) => {
  expect(foundInstead(name, start)).toBeUndefined();
});
