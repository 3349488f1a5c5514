import { describe, expect, it } from "vitest";
import { asHubModel, fragmentOf, readQuestion, readSettings } from "../src/settings.ts";

const PAGE = "https://example.org/sub/path/index.html";
const at = (fragment: string) => new URL(PAGE + fragment);
const read = (fragment: string) => readSettings(at(fragment));
const folder = (href: string, hasBundles = false) => ({ kind: "folder", folder: new URL(href, PAGE), hasBundles });

describe("readSettings", () => {
  it("has defaults that lie below the page", () => {
    const settings = read("");
    expect(settings).toMatchObject({ device: "auto", weights: "q8", firstStage: "vectors", candidates: 20, refused: [] });
    expect(settings.source).toEqual(folder("models/all-MiniLM-L6-v2/", true));
    expect(settings.data.href).toBe("https://example.org/sub/path/data/");
    expect(settings.hub.href).toBe("https://huggingface.co/");
  });

  it("takes what the fragment says, and nothing of the query, which is sent", () => {
    const settings = read("?device=webgpu#device=cpu&dtype=q4&first=index&candidates=5&model=models/tiny&data=other/");
    expect(settings).toMatchObject({ device: "cpu", weights: "q4", firstStage: "index", candidates: 5, refused: [] });
    expect(settings.source).toEqual(folder("models/tiny/"));
    expect(settings.data.href).toBe("https://example.org/sub/path/other/");
  });

  it("takes a model of a hub by its id, unless no other site is to be asked", () => {
    expect(read("#hub-model=owner/name.v1").source).toEqual({ kind: "hub", id: "owner/name.v1", hub: new URL("https://huggingface.co/") });
    expect(read("#hub-model=owner/name&hub=/mirror").source).toMatchObject({ hub: new URL("https://example.org/mirror/") });
    expect(read("#hub-page-model=owner/name").pageModel).toMatchObject({ kind: "hub", id: "owner/name" });
    expect(read("#page-model=models/tiny").pageModel).toEqual(folder("models/tiny/"));
    const { source, refused } = readSettings(at("#hub-model=owner/name"), false);
    expect(source.kind).toBe("folder");
    expect(refused).toEqual(["hub-model=owner/name"]);
  });

  it("keeps the default and says so where a setting cannot be used", () => {
    const fragment = "#device=tpu&dtype=int8&first=toString&candidates=0&model=https://elsewhere.example/m&data=//elsewhere.example/d&hub=https://elsewhere.example&hub-model=../up";
    const settings = read(fragment);
    expect(settings).toMatchObject({ device: "auto", weights: "q8", candidates: 20, source: folder("models/all-MiniLM-L6-v2/", true) });
    expect(settings.hub.host).toBe("huggingface.co");
    expect(settings.refused).toHaveLength(8);
  });

  it.each(["-1", "1e9", "10.5", "", "99999", "1001"])("refuses %s candidates", (text) => {
    expect(read(`#candidates=${text}`).refused).toEqual([`candidates=${text}`]);
  });
});

describe("fragmentOf", () => {
  const FRAGMENTS = ["#", "#device=cpu", "#device=webgpu&dtype=f32&first=words&candidates=7&model=/sub/path/models/tiny/", "#hub-model=owner/name&hub=/mirror&data=other", "#first=chroma", "#hub-page-model=owner/name"];
  it.each(FRAGMENTS)("says %s again, as nothing but what is not the default", (fragment) => {
    expect(fragmentOf(read(fragment), at(fragment))).toBe(fragment);
  });

  it("holds the question only where it is given", () => {
    const page = at("#q=who%3F&device=cpu");
    expect(fragmentOf(readSettings(page), page)).toBe("#device=cpu");
    expect(fragmentOf(readSettings(page), page, "what & why?")).toBe("#device=cpu&q=what%20%26%20why%3F");
    expect(readQuestion(at("#q=what%20%26%20why%3F"))).toBe("what & why?");
  });
});

describe("asHubModel", () => {
  it.each(["", "name", "a/b/c", "../name", "owner/..", "owner/.git", "own er/name", "https://huggingface.co/owner/name", "owner/name?x=1", `${"a".repeat(97)}/b`])("does not take “%s” for an id", (text) => {
    expect(asHubModel(text, new URL("https://huggingface.co/"))).toBeUndefined();
  });
});

describe("readQuestion", () => {
  it("reads the fragment only", () => {
    expect(readQuestion(at("?q=no#q=who%20is%20it%3F"))).toBe("who is it?");
    expect(readQuestion(at("#device=cpu"))).toBe("");
    expect(readQuestion(at(""))).toBe("");
  });
});
