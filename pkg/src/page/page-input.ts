/** Looks at pages that a caller gives, each when its turn comes, and makes of them what can cross to a worker. */

import type { GivenPage, PagePixels, PageSize } from "../pages.js";
import type { Limits, ModelInfo } from "../types.js";
import { RerankerError } from "../error.js";
import { copied } from "./copies.js";
import { itemsOf, requireKind, requirePositiveInteger, tooLarge } from "./input.js";
import { invalid, invalidKind, isA, read } from "./invalid.js";

/** What a worker takes, or what it would have made of it. */
export type ReadPage = { picture: Blob | ImageBitmap } | { pixels: PagePixels };

const DRAWN = ["ImageBitmap", "ImageData", "HTMLCanvasElement", "OffscreenCanvas"] as const;

const EXPECTED = "an image's Blob, an ImageBitmap, an ImageData, a canvas, an object of width, height and rgba, or a function that gives one";

const NO_PAGES = "Load a model for pages, such as ColModernVBERT; page embeddings that were made elsewhere are passed as `embeddings` of a ranking.";

export function requirePages({ pages, architecture }: ModelInfo): void {
  if (!pages) throw invalid(`the model, of the architecture ${architecture}, reads no pages`, NO_PAGES);
}

/** In a list of our own. Nothing is asked for, drawn or decoded yet. */
export function pagesOf(pages: readonly GivenPage[], limits: Limits): GivenPage[] {
  return listOf(pages, limits, (page, place) => {
    if (typeof page !== "function") requirePage(page, place);
    return page;
  });
}

/** Of which files are not asked for theirs yet. */
export function sizesOf(pages: readonly (PageSize | Blob)[], limits: Limits): (PageSize | Blob)[] {
  return listOf(pages, limits, (page, place) => (isA(page, Blob) ? page : sizeOf(page, place, limits)));
}

function listOf<P>(pages: readonly P[], limits: Limits, taken: (page: P, place: string) => P): P[] {
  const list = itemsOf(pages, "pages", Infinity, taken);
  if (list.length > limits.documents) throw tooLarge("pages", list.length, "entries", limits.documents, "documents");
  return list;
}

/** `place`: how errors name the page. */
export async function readPage(given: GivenPage, place: string, limits: Limits): Promise<ReadPage> {
  const page: unknown = typeof given === "function" ? await answerOf(given, place) : given;
  if (isA(page, Blob)) return { picture: page };
  if (isThe<ImageBitmap>(page, "ImageBitmap")) return { picture: open(page, place) };
  if (isThe<HTMLCanvasElement>(page, "HTMLCanvasElement") || isThe<OffscreenCanvas>(page, "OffscreenCanvas")) return { picture: await bitmapOf(page, place, limits) };
  requirePage(page, place);
  const size = sizeOf(page, place, limits);
  const rgba: unknown = isThe<ImageData>(page, "ImageData") ? page.data : read(page as PagePixels, "rgba", `${place}.rgba`);
  return { pixels: { ...size, rgba: pixelsOf(rgba, size, `${place}.rgba`) } };
}

/** The width and height of a page. */
export function sizeOf(page: PageSize, place: string, { pagePixels }: Limits): PageSize {
  requireKind("object", page, place);
  const [width, height] = (["width", "height"] as const).map((name) => {
    const value: number = read(page, name, `${place}.${name}`);
    requirePositiveInteger(value, `${place}.${name}`);
    return value;
  }) as [number, number];
  if (width * height > pagePixels) throw tooLarge(place, width * height, "pixels", pagePixels, "pagePixels");
  return { width, height };
}

/** It may be of another kind than the types say. */
function requirePage(page: unknown, place: string): asserts page is PageSize {
  if (isA(page, Blob) || DRAWN.some((name) => isThe(page, name))) return;
  if (typeof page !== "object" || page === null || read(page as PagePixels, "rgba", `${place}.rgba`) === undefined) throw invalidKind(page, place, EXPECTED);
}

function pixelsOf(rgba: unknown, { width, height }: PageSize, place: string): Uint8Array {
  const copy: Uint8Array | Uint8ClampedArray = isA(rgba, Uint8ClampedArray) ? copied(rgba, Uint8ClampedArray, place) : copied(rgba, Uint8Array, place);
  const expected = 4 * width * height;
  if (copy.length !== expected) throw invalid(`${place} has ${copy.length} bytes; ${width} × ${height} pixels have ${expected}`);
  return new Uint8Array(copy.buffer);
}

/** A page may come from a caller's own code, which fails in its own way. */
async function answerOf(give: () => unknown, place: string): Promise<unknown> {
  try {
    return await give();
  } catch (cause) {
    if (cause instanceof RerankerError || (cause instanceof DOMException && cause.name === "AbortError")) throw cause;
    throw invalid(`${place}: the function threw an error`, undefined, cause);
  }
}

function open(bitmap: ImageBitmap, place: string): ImageBitmap {
  if (bitmap.width === 0) throw invalid(`${place} is an ImageBitmap that was closed`);
  return bitmap;
}

async function bitmapOf(canvas: HTMLCanvasElement | OffscreenCanvas, place: string, limits: Limits): Promise<ImageBitmap> {
  sizeOf(canvas, place, limits);
  try {
    return await createImageBitmap(canvas);
  } catch (cause) {
    throw invalid(`${place} is a canvas that cannot be read`, "What was drawn on it from another site has to come with CORS headers.", cause);
  }
}

/** Not each of these is there wherever the package runs. */
function isThe<T>(value: unknown, name: (typeof DRAWN)[number]): value is T {
  const type = (globalThis as Record<string, unknown>)[name];
  return typeof type === "function" && isA(value, type as new () => T);
}

