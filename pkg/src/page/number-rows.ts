/** Arrays out of what JSON has: lists of numbers, and rows of them. */

import type { Limits } from "../types.js";
import { lengthOf, MOST_NUMBER, requireFinite, tooLarge } from "./input.js";
import { answerOf, invalid, read } from "./invalid.js";
import type { ArrayKind, Numbers } from "./rows.js";

/** What a number may be. Vespa's cells of 8 bits are bytes with a sign. */
const RANGES: Record<string, readonly [least: number, most: number]> = { F32: [-MOST_NUMBER, MOST_NUMBER], I8: [-127, 127], U8: [-128, 255], U32: [0, 2 ** 32 - 1] };

/** Whether numbers of this kind are written as numbers: halves are written as their bits alone. */
export function areNumbers({ dtype }: ArrayKind): boolean {
  return dtype in RANGES;
}

/** A list of numbers. */
export function numbersOf(list: readonly number[], kind: ArrayKind, place: string, limits: Limits): Numbers {
  const length = lengthOf(list, place);
  const numbers = roomFor(length, kind, place, limits);
  fill(numbers, 0, list, length, kind, place);
  return numbers;
}

/** Rows of one length, one after the other; without rows there is no width. */
export function flatRows(rows: readonly (readonly number[])[], kind: ArrayKind, place: string, limits: Limits): { numbers: Numbers; width?: number } {
  const length = lengthOf(rows, place);
  const rowAt = (index: number) => read(rows, index, `${place}[${index}]`);
  const width = length === 0 ? 0 : lengthOf(rowAt(0), `${place}[0]`);
  const numbers = roomFor(length * width, kind, place, limits);
  for (let index = 0; index < length; index++) {
    const row = rowAt(index);
    const found = lengthOf(row, `${place}[${index}]`);
    if (found !== width) throw invalid(`${place}[${index}] has ${found} numbers, and ${place}[0] has ${width}`);
    fill(numbers, index * width, row, width, kind, `${place}[${index}]`);
  }
  return { numbers, ...(length > 0 && { width }) };
}

function roomFor(length: number, { type }: ArrayKind, place: string, limits: Limits): Numbers {
  const bytes = length * type.BYTES_PER_ELEMENT;
  if (bytes > limits.embeddingBytes) throw tooLarge(place, bytes, "bytes", limits.embeddingBytes, "embeddingBytes");
  return new type(length);
}

function fill(numbers: Numbers, start: number, list: readonly number[], length: number, kind: ArrayKind, place: string): void {
  const wrong = answerOf(() => taken(numbers, start, list, length, kind), place);
  if (wrong === length) return;
  const [least, most] = RANGES[kind.dtype]!;
  const value = read(list, wrong, `${place}[${wrong}]`);
  requireFinite(value, `${place}[${wrong}]`);
  throw invalid(`${place}[${wrong}] is ${value}; expected ${isWhole(kind) ? "a whole number" : "a number"} from ${least} to ${most}`);
}

/** How many of the numbers could be taken: all up to the first that is none of this kind. */
function taken(numbers: Numbers, start: number, list: readonly number[], length: number, kind: ArrayKind): number {
  const [least, most] = RANGES[kind.dtype]!;
  const whole = isWhole(kind);
  for (let place = 0; place < length; place++) {
    const value: unknown = list[place];
    if (typeof value !== "number" || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) return place;
    numbers[start + place] = value;
  }
  return length;
}

function isWhole({ dtype }: ArrayKind): boolean {
  return dtype !== "F32";
}
