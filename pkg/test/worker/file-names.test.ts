import fc from "fast-check";
import { describe, expect, test } from "vitest";
import names from "../../../tests/data/file-names.json" with { type: "json" };
import { fileUrl } from "../../src/storage/model-cache.js";
import { gather } from "../../src/worker/checkpoint-source.js";
import { LoadMeter } from "../../src/worker/load-meter.js";
import { FakeCheckpoint } from "../support/engine.js";

const { inside, outside } = names;

const FOLDER = "https://host/model/?signature=1";

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
  test("there are sixty bad ones at least", () => expect(new Set(outside).size).toBeGreaterThanOrEqual(60));

  test.each([...outside, "a\ud800"])("%j is not asked for", async (name) => {
    expect(await asked(name)).toEqual([]);
  });

  test.each(inside)("%s is asked for, below the folder", async (name) => {
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
      { numRuns: 200 },
    );
  });
});
