import { describe, expect, test } from "vitest";
import { limitOf, requireFew, requireSize, requireTotal } from "../../src/worker/file-limits.js";

const MIB = 1024 * 1024;

test.each([
  ["tabrank.json", MIB],
  ["config.json", 8 * MIB],
  ["0_Transformer/config.json", 8 * MIB],
  ["model.safetensors.index.json", 8 * MIB],
  ["artifact.metadata", 8 * MIB],
  ["mytokenizer.json", 8 * MIB],
  ["tokenizer.json", 64 * MIB],
  ["0_Transformer/tokenizer.json", 64 * MIB],
  ["1_Dense/model.safetensors", 1536 * MIB],
])("%s may have %i bytes", (name, most) => {
  expect(limitOf(name)).toBe(most);
  requireSize(name, most);
  const message = `${name} has ${(most + 1).toLocaleString("en")} bytes; at most ${most.toLocaleString("en")} are loaded in a browser`;
  expect(() => requireSize(name, most + 1)).toThrow(message);
});

describe("all files together", () => {
  test("may have 1.5 GiB", () => {
    requireTotal("the bundle", 1536 * MIB);
    expect(() => requireTotal("the bundle", 1536 * MIB + 1)).toThrow("the bundle has 1,610,612,737 bytes; at most 1,610,612,736");
  });

  test("may be 256", () => {
    requireFew(256);
    expect(() => requireFew(3000)).toThrow("the model is in 3,000 files; at most 256 are loaded in a browser");
  });
});
