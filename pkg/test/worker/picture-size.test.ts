import { expect, test } from "vitest";
import { factsOf } from "../../src/worker/picture-size.js";

const words = (text: string) => [...text].map((letter) => letter.charCodeAt(0));

/** A PNG up to its pixels. */
const png = (bits: number, colours: number, ...chunks: number[][]) =>
  Uint8Array.from([0x89, ...words("PNG\r\n\x1a\n"), 0, 0, 0, 13, ...words("IHDR"), 0, 0, 1, 44, 0, 0, 0, 200, bits, colours, 0, 0, 0, 0, 0, 0, 0, ...chunks.flat(), 0, 0, 0, 1, ...words("IDAT")]);

/** A JPEG up to its first scan, with a segment in front of its frame. */
const jpeg = (marker: number, colours: number) => Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0, 6, 1, 2, 3, 4, 0xff, 0xff, marker, 0, 11, 8, 0, 200, 1, 44, colours, 1, 17, 0]);

const TRANSPARENCY = [0, 0, 0, 2, ...words("tRNS"), 0, 1, 0, 0, 0, 0];
const EXIF = [0, 0, 0, 2, ...words("eXIf"), 77, 77, 0, 0, 0, 0];
const GAMMA = [0, 0, 0, 4, ...words("gAMA"), 0, 0, 0, 0, 0, 0, 0, 0];

test.each<[string, Uint8Array, { size?: [number, number]; isPlain: boolean }]>([
  ["a PNG in colours", png(8, 2), { size: [300, 200], isPlain: true }],
  ["a PNG of a palette", png(4, 3, GAMMA), { size: [300, 200], isPlain: true }],
  ["a PNG whose palette is see-through", png(4, 3, GAMMA, TRANSPARENCY), { size: [300, 200], isPlain: false }],
  ["a PNG with EXIF data", png(8, 2, GAMMA, EXIF), { size: [300, 200], isPlain: false }],
  ["a PNG with alpha", png(8, 6), { size: [300, 200], isPlain: false }],
  ["a PNG of 16 bits", png(16, 0), { size: [300, 200], isPlain: false }],
  ["a JPEG", jpeg(0xc0, 3), { size: [300, 200], isPlain: true }],
  ["a progressive JPEG in grey", jpeg(0xc2, 1), { size: [300, 200], isPlain: true }],
  ["a JPEG in four colours", jpeg(0xc0, 4), { size: [300, 200], isPlain: false }],
  ["a JPEG that ends before it says anything", jpeg(0xc0, 3).subarray(0, 12), { isPlain: true }],
  ["a GIF", Uint8Array.from([...words("GIF89a"), 44, 1, 200, 0]), { size: [300, 200], isPlain: true }],
  ["a TIFF", Uint8Array.from([...words("II"), 42, 0, 8, 0, 0, 0]), { isPlain: false }],
  ["something else", Uint8Array.of(1, 2, 3), { isPlain: true }],
  ["nothing", new Uint8Array(), { isPlain: true }],
])("of %s", (_, start, facts) => {
  expect(factsOf(start)).toEqual(facts);
});
