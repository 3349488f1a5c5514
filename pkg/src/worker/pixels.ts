/** A page's pixels: of a file by the browser's decoder, or by one of our own where browsers decode it in another way than the reference, or of what the page has drawn. */

import { RerankerError } from "../error.js";
import type { PixelsAnswer, PixelsRequest } from "../protocol.js";
import type { Decoder } from "./decoder.js";
import { factsOf, LOOKED_AT } from "./picture-size.js";

export async function pixelsOf({ picture, most, wasm }: PixelsRequest, decoder: Decoder): Promise<PixelsAnswer> {
  if (!(picture instanceof Blob)) return drawn(picture, most);
  const { size, isPlain } = factsOf(new Uint8Array(await picture.slice(0, LOOKED_AT).arrayBuffer()));
  if (size) requireFew(...size, most);
  return isPlain && drawsPictures() ? drawn(await decoded(picture), most) : within(await decoder.decode(picture, wasm), most);
}

/** Node does not, nor do old browsers in their workers: there files are decoded by our own. */
const drawsPictures = () => typeof createImageBitmap === "function" && typeof OffscreenCanvas === "function";

/** As the reference reads it: no colour profile, and turned as the camera was held. */
async function decoded(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" });
  } catch (cause) {
    throw new RerankerError({ code: "INVALID_INPUT", message: "the page is no image that this browser decodes", hint: "PNG, JPEG and WebP are decoded by every browser." }, { cause });
  }
}

function drawn(bitmap: ImageBitmap, most: number): PixelsAnswer {
  const { width, height } = bitmap;
  try {
    requireFew(width, height, most);
    if (typeof OffscreenCanvas === "undefined") throw new RerankerError({ code: "INVALID_INPUT", message: "the page is a picture, and this browser has no OffscreenCanvas to take its pixels from", hint: "Pass its pixels: { width, height, rgba }." });
    const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true, alpha: true });
    if (!canvas) throw new RerankerError({ code: "OUT_OF_MEMORY", message: `the browser gave no canvas of ${width} × ${height} pixels` });
    canvas.drawImage(bitmap, 0, 0);
    const { data } = canvas.getImageData(0, 0, width, height);
    return { width, height, rgba: new Uint8Array(data.buffer) };
  } finally {
    bitmap.close();
  }
}

function within(pixels: PixelsAnswer, most: number): PixelsAnswer {
  requireFew(pixels.width, pixels.height, most);
  return pixels;
}

function requireFew(width: number, height: number, most: number): void {
  if (width === 0 || height === 0) throw new RerankerError({ code: "INVALID_INPUT", message: `the page is ${width} × ${height} pixels` });
  if (width * height <= most) return;
  throw new RerankerError({ code: "INPUT_TOO_LARGE", message: `the page is ${width} × ${height} pixels; limits.pagePixels is ${most.toLocaleString("en")}` });
}
