import { describe, expect, it } from "vitest";
import { nameOf, placeOf, sameSource } from "../src/model-place.ts";
import { readSettings } from "../src/settings.ts";

const source = (fragment: string) => readSettings(new URL(`https://example.org/sub/index.html${fragment}`)).source;
const OWN = "https://example.org/sub/models/all-MiniLM-L6-v2";

describe("placeOf", () => {
  it("is a bundle beside the page's own model", () => {
    expect(placeOf(source(""), "q8")).toEqual({ source: new URL(`${OWN}-q8/`), options: {} });
    expect(placeOf(source(""), "q4")).toEqual({ source: new URL(`${OWN}-q4/`), options: {} });
  });

  it("is another model's own folder, converted in the tab", () => {
    const folder = new URL("https://example.org/sub/models/tiny/");
    expect(placeOf(source("#model=models/tiny"), "q8")).toEqual({ source: folder, options: { dtype: "q8" } });
  });

  it("is a model's id at its hub", () => {
    expect(placeOf(source("#hub-model=owner/name"), "q4")).toEqual({ source: "owner/name", options: { hub: new URL("https://huggingface.co/"), dtype: "q4" } });
  });

  it("is the checkpoint as it is for f32", () => {
    expect(placeOf(source(""), "f32")).toEqual({ source: new URL(`${OWN}/`), options: {} });
    expect(placeOf(source("#model=models/tiny"), "f32").options).toEqual({});
  });
});

describe("sources", () => {
  it("are told apart by where the model is", () => {
    const all = ["", "#model=models/tiny", "#hub-model=owner/name", "#hub-model=owner/name&hub=/mirror"];
    for (const one of all) for (const other of all) expect(sameSource(source(one), source(other))).toBe(one === other);
    expect(all.map((each) => nameOf(source(each)))).toEqual(["all-MiniLM-L6-v2", "tiny", "owner/name", "owner/name"]);
  });
});
