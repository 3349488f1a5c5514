import { describe, expect, it } from "vitest";
import { readQuestion, readSettings } from "../src/settings.ts";

const read = (query: string) => readSettings(new URL(`https://example.org/sub/path/index.html${query}`));

describe("readSettings", () => {
  it("has defaults that lie below the page", () => {
    const settings = read("");
    expect(settings).toMatchObject({ device: "auto", weights: "q8", firstStage: "vectors", candidates: 20, hasBundles: true, refused: [] });
    expect(settings.model.href).toBe("https://example.org/sub/path/models/all-MiniLM-L6-v2/");
    expect(settings.data.href).toBe("https://example.org/sub/path/data/");
  });

  it("takes what the address says", () => {
    const settings = read("?device=cpu&dtype=q4&first=index&candidates=5&model=models/tiny&data=other/");
    expect(settings).toMatchObject({ device: "cpu", weights: "q4", firstStage: "index", candidates: 5, hasBundles: false, refused: [] });
    expect(settings.model.href).toBe("https://example.org/sub/path/models/tiny/");
    expect(settings.data.href).toBe("https://example.org/sub/path/other/");
  });

  it("keeps the default and says so where a setting cannot be used", () => {
    const settings = read("?device=tpu&dtype=int8&first=bm25&candidates=0&model=https://elsewhere.example/m&data=//elsewhere.example/d");
    expect(settings).toMatchObject({ device: "auto", weights: "q8", candidates: 20, hasBundles: true });
    expect(settings.model.origin).toBe("https://example.org");
    expect(settings.refused).toHaveLength(6);
  });

  it.each(["-1", "1e9", "10.5", "", "99999", "1001"])("refuses %s candidates", (text) => {
    expect(read(`?candidates=${text}`).refused).toEqual([`candidates=${text}`]);
  });
});

describe("readQuestion", () => {
  it("reads the fragment only", () => {
    expect(readQuestion("#q=who%20is%20it%3F")).toBe("who is it?");
    expect(readQuestion("#results")).toBe("");
    expect(readQuestion("")).toBe("");
  });
});
