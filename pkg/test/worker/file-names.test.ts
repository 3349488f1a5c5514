import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fileUrl } from "../../src/storage/model-cache.js";
import { gather } from "../../src/worker/checkpoint-source.js";
import { LoadMeter } from "../../src/worker/load-meter.js";
import { FakeCheckpoint } from "../support/engine.js";

const FOLDER = "https://host/model/?signature=1";

/** What anyone may write into a manifest, an index or `modules.json`. */
const OUTSIDE = [
  ...["", ".", "..", "/", "//", "./config.json", "../config.json", "a/../config.json", "a/./config.json", "a/..", "a/.", "a/", "/a", "a//b", "../../etc/passwd"],
  ...["/etc/passwd", "//evil.example/x.json", "///evil.example/x.json", "\\\\evil.example\\x.json", "..\\config.json", "a\\b.json", "a\\..\\b.json", "C:\\x.json", "C:x.json"],
  ...["https://evil.example/x.json", "http:x.json", "HTTPS:/evil.example", "data:application/json,{}", "data:,", "blob:https://host/1", "javascript:alert(1)", "JavaScript:alert(1)", "file:///etc/passwd", "ftp://a/b", "x:y"],
  ...["%2e%2e/config.json", "%2E%2E%2Fconfig.json", "a%2fb.json", "a%5cb.json", "a%00.json", "..%c0%af", "%"],
  ...["x.json?y", "x.json#y", "?", "#", "a;b.json", "a&b.json", "user:pass@evil.example", "@", "a:80/b", "~/x", "$HOME/x", "a|b", "a*b", "<a>", '"a"', "'a'", "`a`"],
  ...["a\0.json", "a\n.json", "a\r\nb", "a\t.json", "a\u0085b", "a\u007fb", "\u202egnp.json", "a\u2028b", "\uff0e\uff0e/x", "\u2024\u2024/x", "\u2215etc", "a b.json", " config.json", "config.json ", "é.json", "\ud800", "x".repeat(513)],
];

const INSIDE = ["config.json", "1_Dense/model.safetensors", "a/b/c/d.json", "weights-00001-of-00003.safetensors", "model-00001-of-00002.safetensors", "...", "..a", "a..", ".hidden", "-", "_"];

/** The names that a source is asked for, of a checkpoint that wants this one. */
async function asked(name: string): Promise<string[]> {
  const names: string[] = [];
  const source = { open: async (wanted: { name: string }) => void names.push(wanted.name) };
  await gather(new FakeCheckpoint([[{ name, optional: true }]]), source, new LoadMeter(() => {})).catch((error) => expect(error).toMatchObject({ code: "CHECKPOINT_INVALID" }));
  return names.slice(1);
}

/** Whether a file's address is the folder's with the name at its end: nothing of it was taken for anything else than a name. */
function liesBelow(name: string): boolean {
  const url = new URL(fileUrl(FOLDER, name));
  return url.origin === "https://host" && url.pathname === `/model/${name}` && url.search === "?signature=1";
}

describe("a file's name", () => {
  test("there are sixty bad ones at least", () => expect(new Set(OUTSIDE).size).toBeGreaterThanOrEqual(60));

  test.each(OUTSIDE)("%j is not asked for", async (name) => {
    expect(await asked(name)).toEqual([]);
  });

  test.each(INSIDE)("%s is asked for, below the folder", async (name) => {
    expect(await asked(name)).toEqual([name]);
    expect(liesBelow(name)).toBe(true);
  });

  test("of any kind is refused or lies below the folder", async () => {
    const part = fc.oneof(fc.constantFrom("..", ".", "", "a", "b.json", "%2e", "https:", "\\"), fc.string({ unit: "binary", maxLength: 6 }));
    const name = fc.oneof(fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/")), fc.webUrl(), fc.string({ unit: "grapheme" }));
    await fc.assert(
      fc.asyncProperty(name, async (name) => {
        for (const taken of await asked(name)) expect(liesBelow(taken)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
