/** A checkpoint's files as the page has them become blobs, which are copies: what happens to the page's own buffers afterwards is nobody's concern. */

import type { CheckpointFiles } from "../types.js";
import { invalid, invalidKind, isA, read } from "./invalid.js";

/** Blobs cross to each worker without another copy, so a worker that takes over can have them again. */
export function asBlobs(files: CheckpointFiles): Record<string, Blob> {
  return Object.fromEntries(namesOf(files).map((name) => [name, asBlob(read(files, name, place(name)), place(name))]));
}

function namesOf(files: unknown): string[] {
  if (typeof files !== "object" || files === null) throw invalidKind(files, "source", "an address or a record of files");
  try {
    return Object.keys(files);
  } catch (error) {
    throw invalid("source: reading it threw an error", undefined, error);
  }
}

function place(name: string): string {
  return `source[${JSON.stringify(name)}]`;
}

function asBlob(file: unknown, place: string): Blob {
  if (!isFile(file)) throw invalidKind(file, place, "a Blob, an ArrayBuffer or a Uint8Array");
  try {
    // For memory that is gone, and for a proxy, this throws, where others would take them for empty.
    file.slice(0, 0);
    return file instanceof Blob ? file : new Blob([copyable(file)]);
  } catch (error) {
    throw invalid(`${place} cannot be read: it was transferred, or is a proxy of a file`, undefined, error);
  }
}

function isFile(file: unknown): file is Blob | ArrayBufferLike | Uint8Array {
  // Pages that are not isolated have no shared memory.
  const isShared = typeof SharedArrayBuffer !== "undefined" && isA(file, SharedArrayBuffer);
  return isShared || isA(file, Blob) || isA(file, ArrayBuffer) || isA(file, Uint8Array);
}

/** Blobs take no memory that is shared or can be resized, so of that they get a copy. */
function copyable(file: ArrayBufferLike | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  const { buffer } = bytes;
  const isPlain = buffer instanceof ArrayBuffer && !(buffer as { resizable?: boolean }).resizable;
  return isPlain ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}
