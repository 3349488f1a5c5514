/** Copies of what a caller gives: what happens to the caller's own buffers afterwards is nobody's concern. */

import { invalid, invalidKind, isA } from "./invalid.js";

export function copied<A>(values: unknown, type: new (values: A) => A, place: string): A {
  if (!isA(values, type)) throw invalidKind(values, place, `a ${type.name}`);
  return lookedAt(() => new type(values), place, "an array");
}

/** A buffer's bytes where they lie. */
export function bytesLying(buffer: ArrayBuffer, place: string): Uint8Array {
  return lookedAt(() => new Uint8Array(buffer), place, "a buffer");
}

function lookedAt<A>(look: () => A, place: string, what: string): A {
  try {
    return look();
  } catch (error) {
    throw invalid(`${place} cannot be read: it was transferred, or is a proxy of ${what}`, undefined, error);
  }
}
