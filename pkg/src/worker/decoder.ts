/** Decodes what browsers decode in another way than the reference, or not at all. */

import { RerankerError } from "../error.js";
import type { PixelsAnswer } from "../protocol.js";

/** `most`: pixels that it may have. */
export async function decode(_file: Blob, _most: number): Promise<PixelsAnswer> {
  throw new RerankerError({ code: "INVALID_INPUT", message: "the page is an image with alpha, of 16 bits a colour, in four colours of print, or a TIFF, which is not decoded here", hint: "Save it as PNG or JPEG of 8 bits in RGB, or pass its pixels." });
}
