import { afterEach, expect, test, vi } from "vitest";
import { Decoder } from "../../src/worker/decoder.js";

const ADDRESS = "http://localhost/tabrank-images.wasm";
/** A module with nothing in it. */
const EMPTY = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

class DecodedPicture {
  readonly width = 1;
  readonly height = 1;

  constructor(file: Uint8Array) {
    if (file[0] === 0) throw new WebAssembly.RuntimeError("unreachable");
    if (file[0] === 1) throw Object.assign(new Error("the picture is damaged"), { code: "INVALID_INPUT" });
  }

  intoRgba(): Uint8Array {
    return new Uint8Array([7, 8, 9, 255]);
  }
}

const file = (byte: number) => new Blob([new Uint8Array([byte])]);

function answering(...responses: (() => Response)[]) {
  vi.stubGlobal("origin", "http://localhost");
  const fetched = vi.fn(async () => (responses.length > 1 ? responses.shift()! : responses[0]!)());
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

const found = () => new Response(EMPTY, { headers: { "content-type": "application/wasm" } });
const gone = () => new Response("", { status: 404 });

afterEach(() => vi.unstubAllGlobals());

test("the module is fetched with the first file, and once", async () => {
  const fetched = answering(found);
  const decoder = new Decoder({ init: async () => {}, DecodedPicture });
  expect(fetched).not.toHaveBeenCalled();
  const pixels = { width: 1, height: 1, rgba: new Uint8Array([7, 8, 9, 255]) };
  expect(await Promise.all([decoder.decode(file(2), ADDRESS), decoder.decode(file(2), ADDRESS)])).toEqual([pixels, pixels]);
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a module that did not come is asked for again", async () => {
  answering(gone, found);
  const decoder = new Decoder({ init: async () => {}, DecodedPicture });
  await expect(decoder.decode(file(2), ADDRESS)).rejects.toThrow(/404/);
  expect(await decoder.decode(file(2), ADDRESS)).toMatchObject({ width: 1 });
});

test("damaged files are the file's fault, also where the decoder breaks, and the engine lives on", async () => {
  answering(found);
  const decoder = new Decoder({ init: async () => {}, DecodedPicture });
  await expect(decoder.decode(file(1), ADDRESS)).rejects.toMatchObject({ code: "INVALID_INPUT", message: "the picture is damaged" });
  await expect(decoder.decode(file(0), ADDRESS)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  expect(await decoder.decode(file(2), ADDRESS)).toMatchObject({ width: 1 });
});
