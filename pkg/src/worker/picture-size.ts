/**
 * What does a file of an image say of itself before it is decoded? Its size, so that a page that takes no memory to send takes none to refuse, and whether browsers
 * decode it as the reference library does: JPEG in four colours, PNG of 16 bits or with alpha, and TIFF they do not, nor do all of them turn a PNG as its EXIF data say.
 */

export interface PictureFacts {
  /** Where the file says it at its beginning. */
  size?: readonly [width: number, height: number];
  /** Whether a browser's own decoder will do. */
  isPlain: boolean;
}

/** Bytes that are looked at. A JPEG's size may come behind its thumbnail and its colour profile. */
export const LOOKED_AT = 2 ** 18;

/** Of PNG: grey, colours, a palette. */
const OPAQUE = [0, 2, 3];

export function factsOf(start: Uint8Array): PictureFacts {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (begins(start, 0x89, 0x50, 0x4e, 0x47) && start.length >= 33) return png(view);
  if (begins(start, 0xff, 0xd8)) return jpeg(view);
  if (begins(start, 0x47, 0x49, 0x46, 0x38) && start.length >= 10) return { size: [view.getUint16(6, true), view.getUint16(8, true)], isPlain: true };
  const isTiff = begins(start, 0x49, 0x49, 42, 0) || begins(start, 0x4d, 0x4d, 0, 42);
  return { isPlain: !isTiff };
}

function begins(bytes: Uint8Array, ...expected: number[]): boolean {
  return expected.every((byte, place) => bytes[place] === byte);
}

/** Chunks in front of the pixels: a colour that is see-through, and EXIF data, by which Firefox 140 and WebKit turn no PNG. */
const TELLING = ["tRNS", "eXIf"];

/** The first chunk has all but what others in front of the pixels say. */
function png(view: DataView): PictureFacts {
  const [bits, colours] = [view.getUint8(24), view.getUint8(25)];
  const isPlain = bits <= 8 && OPAQUE.includes(colours) && !saysMore(view);
  return { size: [view.getUint32(16), view.getUint32(20)], isPlain };
}

function saysMore(view: DataView): boolean {
  for (let at = 8; at + 8 <= view.byteLength; ) {
    const name = String.fromCharCode(...Array.from({ length: 4 }, (_, place) => view.getUint8(at + 4 + place)));
    if (TELLING.includes(name)) return true;
    if (name === "IDAT") return false;
    at += 12 + view.getUint32(at);
  }
  return false;
}

/** Markers of a frame, whose segment has the size: C0 to CF, without those of tables. */
function jpeg(view: DataView): PictureFacts {
  for (let at = 2; at + 10 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) break;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return { size: [view.getUint16(at + 7), view.getUint16(at + 5)], isPlain: view.getUint8(at + 9) !== 4 };
    else at += 2 + view.getUint16(at + 2);
  }
  return { isPlain: true };
}
