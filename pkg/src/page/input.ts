/** Checks what a caller gives before anything is sent to the worker. Messages name the place and the kind of a bad value, never a text. */

import { RerankerError } from "../error.js";
import type { Limits } from "../types.js";
import { answerOf, invalid, invalidKind, isArray, kindOf, read, withArticle } from "./invalid.js";

export const DEFAULT_LIMITS: Limits = { documents: 1_000, textLength: 1_048_576, totalLength: 16_777_216, embeddingBytes: 268_435_456, pagePixels: 67_108_864, queue: 32, silence: 10_000 };

/** A skiplist has some tens. */
const MOST_WORDS = 10_000;

/** UTF-16 units of an id. */
const MOST_SHOWN = 64;

const TEXT_HINT = "Pass { text: d => d.body } if your documents keep their text in another field.";

export function checkLimits(limits: Partial<Limits> = {}): Limits {
  const merged = { ...DEFAULT_LIMITS };
  requireKnown(limits, merged, "limits", "limit");
  for (const name of Object.keys(merged) as (keyof Limits)[]) {
    const place = `limits.${name}`;
    const value = read(limits, name, place);
    if (value === undefined) continue;
    requirePositiveInteger(value, place);
    merged[name] = value;
  }
  return merged;
}

/** The engine counts in 32 bits, and has numbers of 32 bits. */
const MOST_COUNT = 2 ** 32 - 1;
export const MOST_NUMBER = (2 - 2 ** -23) * 2 ** 127;

export function checkQuery(query: unknown, limits: Limits): string {
  const text = checkText(query, "query", limits);
  if (text.trim() === "") throw invalid("query is empty");
  return text;
}

export function checkText(text: unknown, place: string, limits: Limits): string {
  requireKind("string", text, place);
  checkLength(place, text as string, limits);
  return text as string;
}

/** The documents in a list of our own: each is read once, whatever the caller's list does meanwhile or a proxy in its place. */
export function listOf<T>(documents: readonly T[], limits: Limits): T[] {
  const length = lengthOf(documents, "documents");
  if (length > limits.documents) throw tooLarge("documents", length, "entries", limits.documents, "documents");
  return Array.from({ length }, (_, index) => read(documents, index, `documents[${index}]`));
}

/** The strings of a list in a list of our own. */
export function wordsOf(words: readonly string[], place: string): string[] {
  return itemsOf(words, place, MOST_WORDS, (word, at) => {
    requireKind("string", word, at);
    return word;
  });
}

/** What each entry of a list is taken for, in a list of our own. */
export function itemsOf<I, O>(list: readonly I[], place: string, most: number, taken: (item: I, place: string) => O): O[] {
  const length = lengthOf(list, place);
  if (length > most) throw invalid(`${place} has ${length.toLocaleString("en")} entries; at most ${most.toLocaleString("en")} are taken`);
  return Array.from({ length }, (_, index) => taken(read(list, index, `${place}[${index}]`), `${place}[${index}]`));
}

export function lengthOf(list: readonly unknown[], place: string): number {
  if (!isArray(list)) throw invalidKind(list, place, "an array");
  const length: unknown = read(list, "length", `${place}.length`);
  if (!Number.isSafeInteger(length)) throw invalidKind(length, `${place}.length`, "an integer");
  return length as number;
}

/** The documents' texts, all checked. */
export function textsOf<T>(documents: readonly T[], accessor: TextAccessor<T>, limits: Limits): string[] {
  const texts = documents.map((document, index) => textOf(document, nameOf(index), accessor));
  texts.forEach((text, index) => checkLength(`documents[${index}]`, text, limits));
  return texts;
}

/** Holds what reaches a model against its own limits. */
export function requireWithin(query: string, candidates: readonly { index: number; id: string | undefined; text: string | undefined }[], limits: Limits): void {
  if (candidates.length > limits.documents) throw tooLarge("documents", candidates.length, "entries", limits.documents, "documents");
  checkLength("query", query, limits);
  for (const { index, id, text = "" } of candidates) checkLength(nameOf(index, id), text, limits);
  checkTotalLength([query, ...candidates.map(({ text = "" }) => text)], limits);
}

export function checkTotalLength(texts: readonly string[], limits: Limits): void {
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  if (total > limits.totalLength) throw tooLarge("the call's text", total, "UTF-16 units", limits.totalLength, "totalLength");
}

/** A field of a record that may have come as JSON, which has null for what is left out. */
export function readField<O extends object, K extends keyof O>(record: O, key: K, place: string): NonNullable<O[K]> | undefined {
  return read(record, key, place) ?? undefined;
}

/** One that is misspelled would leave something else in force. `known`: what there is, each a `what`. */
export function requireKnown(object: object, known: object, place: string, what: string): void {
  const unknown = namesIn(object).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw invalid(`${place}.${unknown} is no ${what}; there are ${Object.keys(known).join(", ")}`);
}

/** What a proxy hides is not there. */
function namesIn(object: object): string[] {
  try {
    return Object.keys(object);
  } catch {
    return [];
  }
}

export function requireKind(type: "boolean" | "function" | "object" | "string", value: unknown, place: string): void {
  if (typeof value !== type || value === null) throw invalidKind(value, place, withArticle(type));
}

export function requirePositiveInteger(value: unknown, place: string): void {
  requireInteger(value, place, 1, "a positive integer");
}

/** A whole number from `least` on, no more than the engine counts to. */
export function requireCount(least: number): (value: unknown, place: string) => void {
  return (value, place) => {
    requireInteger(value, place, least, least === 1 ? "a positive integer" : `a whole number from ${least}`);
    requireBetween(least, MOST_COUNT)(value, place);
  };
}

export function requireFinite(value: unknown, place: string): asserts value is number {
  requireNumber(value, place, Number.isFinite(value), "a finite number");
}

/** A number from `least` to `most`. */
export function requireBetween(least: number, most: number): (value: unknown, place: string) => void {
  const expected = `a number from ${least} to ${most}`;
  return (value, place) => requireNumber(value, place, Number.isFinite(value) && (value as number) >= least && (value as number) <= most, expected);
}

function requireInteger(value: unknown, place: string, least: number, expected: string): void {
  requireNumber(value, place, Number.isSafeInteger(value) && (value as number) >= least, expected);
}

function requireNumber(value: unknown, place: string, isRight: boolean, expected: string): void {
  if (isRight) return;
  const found = typeof value === "number" ? String(value) : kindOf(value);
  throw invalid(`${place} is ${found}; expected ${expected}`);
}

type TextAccessor<T> = ((document: T) => string | null | undefined) | undefined;

/** How errors name a document. */
export function nameOf(index: number, id?: string): string {
  return id === undefined ? `documents[${index}]` : `documents[${index}] (id ${JSON.stringify(id.length > MOST_SHOWN ? `${id.slice(0, MOST_SHOWN)}…` : id)})`;
}

/** The text of a document that is called so in errors. */
export function textOf<T>(document: T, name: string, accessor: TextAccessor<T>): string {
  return asText(readText(document, name, accessor), document, name, accessor);
}

/** The same, of one that may have none. */
export function textIfAny<T>(document: T, name: string, accessor: TextAccessor<T>): string | undefined {
  const text = readText(document, name, accessor);
  return text === undefined || text === null ? undefined : asText(text, document, name, accessor);
}

function asText<T>(text: unknown, document: T, name: string, accessor: TextAccessor<T>): string {
  if (typeof text === "string") return text;
  const place = accessor || typeof document !== "object" || document === null ? name : `${name}.text`;
  const found = accessor ? `${place}: the text option gave ${kindOf(text)}` : `${place} is ${kindOf(text)}`;
  throw invalid(`${found}; expected a string`, TEXT_HINT);
}

function readText<T>(document: T, name: string, accessor: TextAccessor<T>): unknown {
  return answerOf(() => {
    if (accessor) return accessor(document);
    return typeof document === "object" && document !== null ? (document as { text?: unknown }).text : document;
  }, `${name}: reading its text`);
}

export function checkLength(place: string, text: string, limits: Limits): void {
  if (text.length > limits.textLength) throw tooLarge(place, text.length, "UTF-16 units", limits.textLength, "textLength");
}

export function tooLarge(place: string, size: number, unit: string, limit: number, name: keyof Limits): RerankerError {
  const message = `${place} has ${size.toLocaleString("en")} ${unit}; limits.${name} is ${limit.toLocaleString("en")}`;
  return new RerankerError({ code: "INPUT_TOO_LARGE", message });
}
