/** What stands in a file's place when it is not the file, told by its first bytes: pages, errors, pointers, and weights in other forms. */

import { isWeights } from "./file-limits.js";

/** Bytes of a file's start that {@link foundInstead} looks at. */
export const START = 1024;

export interface Found {
  /** Follows "holds". */
  what: string;
  hint?: string;
  /** What servers send for a file that they do not have (`page`), or for one that they do not give (`notice`). All else shows that there is a file. */
  kind?: "page" | "notice";
}

const NOTHING: Found = { what: "no bytes", hint: "Upload the file again.", kind: "notice" };
export const PAGE: Found = { what: "a web page (HTML)", hint: "The server answered with a web page, perhaps its index.html: check the address of the checkpoint's folder. For a model's id on a hub, owner/name, pass `hub` too.", kind: "page" };
const XML: Found = { what: "an XML document", hint: "Object stores answer so where they refuse a file: check the address and the permissions.", kind: "notice" };
const POINTER: Found = { what: "a Git LFS pointer", hint: "Fetch the file itself with `git lfs pull`." };
const ERROR_BODY: Found = { what: "an error message in JSON", hint: "Servers answer so where they refuse a file: check the address and the permissions.", kind: "notice" };
const PICKLE_HINT = "Only safetensors are read in a browser, never pickles: save the model again with safetensors, or load the bundle that `tabrank convert` makes.";
const TEXT: [RegExp, Found][] = [
  [/^(?:<!--[^]*?-->\s*)?<(?:!doctype html|html|head|body)\b/i, PAGE],
  [/^<(?:\?xml|Error)\b/, XML],
  [/^version https:\/\/(?:git-lfs|hawser)\b/, POINTER],
];

const MAGIC: [number[], Found][] = [
  [[0x1f, 0x8b], { what: "gzip data", hint: "Unpack it, or have the server send it with Content-Encoding: gzip." }],
  [[0x28, 0xb5, 0x2f, 0xfd], { what: "Zstandard data", hint: "Unpack it, or have the server send it with Content-Encoding: zstd." }],
  [[0x50, 0x4b, 0x03, 0x04], { what: "a ZIP archive, as PyTorch writes pickles", hint: PICKLE_HINT }],
  ...[2, 3, 4, 5].map((protocol): [number[], Found] => [[0x80, protocol], { what: "a pickle", hint: PICKLE_HINT }]),
  [[0x47, 0x47, 0x55, 0x46], { what: "a GGUF file", hint: "Only safetensors are read: take the checkpoint that it was made from." }],
  [[0x4e, 0x52, 0x55, 0x42], { what: "a Burn record", hint: "Only safetensors are read: convert the checkpoint that it was made from." }],
  [[0x89, 0x48, 0x44, 0x46], { what: "an HDF5 file, as Keras writes it", hint: "Only safetensors are read: save the model again with safetensors." }],
];

const ONNX: Found = { what: "an ONNX graph", hint: "Only safetensors are read: take the checkpoint that the graph was exported from." };

/** Of the object that a server puts into the body of an error one of these tells, and no other keys but those below are in it. */
const TELLING = ["error", "errors", "message", "detail"];
const BESIDE = ["code", "path", "reason", "request_id", "requestId", "status", "statusCode", "success", "timestamp", "title", "type"];

/** What is in the place of the file `name`, by its first {@link START} bytes, or all of a shorter one; undefined where it may be the file. */
export function foundInstead(name: string, start: Uint8Array): Found | undefined {
  if (start.length === 0) return NOTHING;
  if (isWeights(name) && maybeSafetensors(start)) return undefined;
  const text = new TextDecoder().decode(start).trimStart();
  return byText(text) ?? (start.length < START && isErrorBody(text) ? ERROR_BODY : undefined) ?? byMagic(start);
}

/** The header's length, then its JSON; no header is as long as its fourth byte could say. */
function maybeSafetensors(start: Uint8Array): boolean {
  return start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0);
}

function byText(text: string): Found | undefined {
  return TEXT.find(([pattern]) => pattern.test(text))?.[1];
}

function byMagic(start: Uint8Array): Found | undefined {
  const found = MAGIC.find(([magic]) => magic.every((byte, place) => start[place] === byte));
  return found?.[1] ?? (isOnnx(start) ? ONNX : undefined);
}

/** A protocol buffer whose first field is the version of ONNX, from 3 on, and whose next is the producer, the domain, the graph or the operators' set. */
function isOnnx([field, version = 0, next = 0]: Uint8Array): boolean {
  return field === 0x08 && version >= 3 && version < 0x20 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(next);
}

function isErrorBody(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return false;
    const keys = Object.keys(value);
    return keys.some((key) => TELLING.includes(key)) && keys.every((key) => TELLING.includes(key) || BESIDE.includes(key));
  } catch {
    return false;
  }
}
