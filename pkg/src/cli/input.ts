/** Objects in: one a line, or the elements of an array. */

import { Failure, unreadable, wrong } from "./failure.js";
import { type Field, fieldsIn, partsOf, rawField } from "./fields.js";
import { fs, say, STDIN } from "./host.js";

export interface Item {
  /** The line, or the place in the array, from 0. */
  index: number;
  /** Where it begins, for errors. */
  place: string;
  fields: Field[];
  value: Record<string, unknown>;
}

/** First bytes of what is often handed over for text. */
const OTHERS: [start: number[], what: string][] = [
  [[0xff, 0xfe], "is UTF-16; save it as UTF-8"],
  [[0xfe, 0xff], "is UTF-16; save it as UTF-8"],
  [[0x1f, 0x8b], "is compressed (gzip); unpack it first"],
  [[0x28, 0xb5, 0x2f, 0xfd], "is compressed (zstd); unpack it first"],
  [[0x50, 0x4b, 0x03, 0x04], "is a zip archive or a workbook; save its text as UTF-8"],
  [[0x50, 0x41, 0x52, 0x31], "is Parquet; export it as JSONL"],
];

/** All of stdin's objects that `take` accepts; of `skip` the others are told of. */
export function readItems(onError: string, take: (item: Item) => void): void {
  let count = 0;
  const refused: unknown[] = [];
  for (const piece of piecesOf(textOfStdin())) {
    count++;
    try {
      take(asItem(piece));
    } catch (error) {
      if (onError !== "skip" || !(error instanceof Failure)) throw error;
      refused.push(error);
    }
  }
  if (refused.length === 0) return;
  if (refused.length === count) throw refused[0];
  say(`${refused.length} of ${count} objects are skipped; the first: ${(refused[0] as Error).message}`);
}

function textOfStdin(): string {
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(STDIN);
  } catch (error) {
    throw unreadable(`cannot read stdin: ${(error as Error).message}`);
  }
  const other = OTHERS.find(([start]) => start.every((byte, at) => bytes[at] === byte));
  if (other) throw wrong(`stdin:1:1: ${other[1]}`);
  if (bytes.subarray(0, 2).includes(0)) throw wrong("stdin:1:1: holds NUL bytes, as UTF-16 does; save it as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw wrong("stdin: is not UTF-8");
  }
}

type Piece = Pick<Item, "index" | "place"> & { text: string };

function piecesOf(text: string): Piece[] {
  if (text.trimStart().startsWith("[")) return elementsOf(text);
  return text.split("\n").flatMap((line, index) => {
    const text = line.replace(/^\ufeff/, "").trim();
    return text === "" ? [] : [{ index, place: `stdin:${index + 1}:1`, text }];
  });
}

function elementsOf(text: string): Piece[] {
  const array = text.trim();
  if (!array.endsWith("]")) throw wrong(`stdin:${text.split("\n").length}:1: the array does not end`);
  const parts = partsOf(array.slice(1, -1), ",");
  if (parts.length === 1 && parts[0] === "") return [];
  return parts.map((text, index) => {
    if (text === "") throw wrong(`stdin: element ${index} is missing`);
    return { index, place: `stdin: element ${index}`, text };
  });
}

function asItem({ index, place, text }: Piece): Item {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong(`${place}: is no JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`${place}: is no object`);
  return { index, place, fields: fieldsIn(text), value: value as Record<string, unknown> };
}

/** The text, if there is one. */
export function textIn({ value, place }: Item): string | undefined {
  const { text } = value;
  if (text === undefined || text === null) return undefined;
  if (typeof text !== "string") throw wrong(`${place}: "text" is not a string`);
  if (/\p{Surrogate}/u.test(text)) throw wrong(`${place}: "text" has an escape that is no character`);
  return text;
}

export function requiredText(item: Item): string {
  const text = textIn(item);
  if (text !== undefined) return text;
  throw wrong(`${item.place}: ${rawField(item.fields, "text") === undefined ? 'the object has no "text"' : '"text" is not a string'}`);
}

/** A field that must be a finite number, of 32 bits too, if it is there and not null. */
export function numberIn({ value, place }: Item, field: string): number | undefined {
  const number = value[field];
  if (number === undefined || number === null) return undefined;
  if (typeof number !== "number" || !Number.isFinite(Math.fround(number))) throw wrong(`${place}: ${JSON.stringify(field)} is not a finite number`);
  return number;
}
