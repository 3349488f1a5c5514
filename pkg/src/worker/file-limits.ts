/** How large a file may be, known before it is read: nothing larger is read to its end, allocated or parsed, whatever a server or a header says. */

import { RerankerError } from "../error.js";
import { MANIFEST } from "../files.js";

const MIB = 1024 * 1024;

/** Bytes of a weight file that is read as a whole, and of a bundle's files together: the engine needs as much again. */
const WEIGHTS_LIMIT = 1536 * MIB;

/** A tokenizer with 250,000 entries has 17 MB. */
const TOKENIZER_LIMIT = 64 * MIB;

const MANIFEST_LIMIT = MIB;

/** All other files: settings, which have some kilobytes, and lists of tokens or of shards, which have some hundreds. */
const SETTINGS_LIMIT = 8 * MIB;

/** Files that are asked for. */
const FILES_LIMIT = 256;

/** Whether a file is large enough, as a rule, that only its size is asked for at first. */
export function isWeights(name: string): boolean {
  return name.endsWith(".safetensors");
}

/** The largest file of this name that is read, in bytes. */
export function limitOf(name: string): number {
  if (isWeights(name)) return WEIGHTS_LIMIT;
  if (name === MANIFEST) return MANIFEST_LIMIT;
  return /(^|\/)tokenizer\.json$/.test(name) ? TOKENIZER_LIMIT : SETTINGS_LIMIT;
}

export function requireSize(name: string, size: number): void {
  if (size > limitOf(name)) throw tooLarge(name, size, limitOf(name));
}

/** `size` is undefined where nobody has looked how much more there is. */
export function tooLarge(name: string, size: number | undefined, most: number): RerankerError {
  const found = size === undefined ? `more than ${number(most)}` : number(size);
  const message = `${name} has ${found} bytes; at most ${number(most)} are loaded in a browser`;
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message, hint: "Use a smaller model, or check that this is the file it should be." });
}

/** The total of a model's weights, or of a bundle's files. */
export function requireTotal(what: string, size: number): void {
  if (size > WEIGHTS_LIMIT) throw tooLarge(what, size, WEIGHTS_LIMIT);
}

export function requireFew(count: number): void {
  if (count <= FILES_LIMIT) return;
  const message = `the model is in ${number(count)} files; at most ${FILES_LIMIT} are loaded in a browser`;
  throw new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message, hint: "Save the model again in fewer, larger files." });
}

function number(value: number): string {
  return value.toLocaleString("en");
}
