import { afterEach, describe, expect, it, vi } from "vitest";
import { downloadSize, placeOf } from "../src/model-place.ts";
import { readSettings } from "../src/settings.ts";

const settings = (query: string) => readSettings(new URL(`https://example.org/sub/index.html${query}`));
const OWN = "https://example.org/sub/models/all-MiniLM-L6-v2";

afterEach(() => vi.unstubAllGlobals());

describe("placeOf", () => {
  it("is a bundle beside the page's own model", () => {
    expect(placeOf(settings(""), "q8")).toEqual({ folder: new URL(`${OWN}-q8/`), options: {} });
    expect(placeOf(settings(""), "q4")).toEqual({ folder: new URL(`${OWN}-q4/`), options: {} });
  });

  it("is another model's own folder, converted in the tab", () => {
    const folder = new URL("https://example.org/sub/models/tiny/");
    expect(placeOf(settings("?model=models/tiny"), "q8")).toEqual({ folder, options: { dtype: "q8" } });
  });

  it("is the checkpoint as it is for f32", () => {
    expect(placeOf(settings(""), "f32")).toEqual({ folder: new URL(`${OWN}/`), options: {} });
    expect(placeOf(settings("?model=models/tiny"), "f32").options).toEqual({});
  });
});

describe("downloadSize", () => {
  it("is listed for the page's own folders", async () => {
    const fetched = vi.fn(async () => Response.json({ "all-MiniLM-L6-v2-q8": 24_000_000 }));
    vi.stubGlobal("fetch", fetched);
    expect(await downloadSize(placeOf(settings(""), "q8"), true)).toBe(24_000_000);
    expect(fetched).toHaveBeenCalledWith(new URL("https://example.org/sub/models/sizes.json"));
    expect(await downloadSize(placeOf(settings(""), "q4"), true)).toBeUndefined();
  });

  it("is that of the weights elsewhere", async () => {
    const fetched = vi.fn(async () => new Response(null, { headers: { "content-length": "1234" } }));
    vi.stubGlobal("fetch", fetched);
    const place = placeOf(settings("?model=models/tiny"), "q8");
    expect(await downloadSize(place, false)).toBe(1234);
    expect(fetched).toHaveBeenCalledWith(new URL("https://example.org/sub/models/tiny/model.safetensors"), { method: "HEAD" });
  });

  it.each([
    ["no answer", async () => Promise.reject(new TypeError("offline"))],
    ["a page in its place", async () => new Response("<!doctype html>")],
    ["404", async () => new Response("{}", { status: 404 })],
  ])("is unknown with %s", async (_, answer) => {
    vi.stubGlobal("fetch", answer);
    expect(await downloadSize(placeOf(settings(""), "q8"), true)).toBeUndefined();
    expect(await downloadSize(placeOf(settings("?model=m"), "q8"), false)).toBeUndefined();
  });
});
