import { afterEach, describe, expect, it, vi } from "vitest";
import type { ModelSource } from "../src/model-place.ts";
import { askHub, folderFacts } from "../src/model-size.ts";
import { asProblem } from "../src/problem.ts";
import { readSettings } from "../src/settings.ts";

type Folder = Extract<ModelSource, { kind: "folder" }>;
type Hub = Extract<ModelSource, { kind: "hub" }>;

const source = (fragment: string) => readSettings(new URL(`https://example.org/sub/index.html${fragment}`)).source;
const HUB = source("#hub-model=owner/name") as Hub;

afterEach(() => vi.unstubAllGlobals());

function answer(response: () => Promise<Response>) {
  const fetched = vi.fn(response);
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

describe("folderFacts", () => {
  it("are listed for the page's own folders", async () => {
    const fetched = answer(async () => Response.json({ "all-MiniLM-L6-v2-q8": 24_000_000 }));
    expect(await folderFacts(source("") as Folder, "q8")).toEqual({ size: 24_000_000 });
    expect(fetched).toHaveBeenCalledWith(new URL("https://example.org/sub/models/sizes.json"));
    expect(await folderFacts(source("") as Folder, "q4")).toEqual({});
  });

  it("are those of the weights elsewhere", async () => {
    const fetched = answer(async () => new Response(null, { headers: { "content-length": "1234" } }));
    expect(await folderFacts(source("#model=models/tiny") as Folder, "q8")).toEqual({ size: 1234 });
    expect(fetched).toHaveBeenCalledWith(new URL("https://example.org/sub/models/tiny/model.safetensors"), { method: "HEAD" });
  });

  it.each([
    ["no answer", async () => Promise.reject(new TypeError("offline"))],
    ["a page in its place", async () => new Response("<!doctype html>")],
    ["404", async () => new Response("{}", { status: 404 })],
  ])("are unknown with %s", async (_, response) => {
    answer(response);
    expect(await folderFacts(source("") as Folder, "q8")).toEqual({});
    expect(await folderFacts(source("#model=m") as Folder, "q8")).toEqual({});
  });
});

describe("askHub", () => {
  const FILES = [
    ["config.json", 600],
    ["tokenizer.json", 4000],
    ["model.safetensors", 100_000],
    ["1_Dense/model.safetensors", 20_000],
    ["1_Dense/config.json", 100],
    ["onnx/model.onnx", 900_000],
    ["onnx/config.json", 1],
    ["pytorch_model.bin", 100_000],
    ["README.md", 7],
  ] as const;
  const siblings = FILES.map(([rfilename, size]) => ({ rfilename, size }));

  it("adds up the files that a load reads, and has the licence", async () => {
    const fetched = answer(async () => Response.json({ siblings, cardData: { license: "mit" } }));
    expect(await askHub(HUB)).toEqual({ size: 124_700, licence: "mit" });
    expect(fetched).toHaveBeenCalledWith(new URL("https://huggingface.co/api/models/owner/name?blobs=true"), { credentials: "omit" });
  });

  it.each([
    ["NETWORK", async () => Promise.reject(new TypeError("offline"))],
    ["HTTP_STATUS", async () => new Response("{}", { status: 401 })],
    ["CHECKPOINT_UNSUPPORTED", async () => Response.json({ siblings: [{ rfilename: "pytorch_model.bin", size: 5 }] })],
    ["CHECKPOINT_UNSUPPORTED", async () => Response.json({})],
  ])("fails with %s", async (code, response) => {
    answer(response);
    const problem = await askHub(HUB).then(() => undefined, asProblem);
    expect(problem?.code).toBe(code);
    expect(problem?.message).toMatch(/huggingface|owner\/name/);
  });
});
