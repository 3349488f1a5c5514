/** Checks what a caller gives before anything is sent to the worker. Messages name the place and the kind of a bad value, never a text. */

import { RerankerError } from "../error.js";
import type { Limits } from "../types.js";

export const DEFAULT_LIMITS: Limits = { documents: 1_000, textLength: 1_048_576, totalLength: 16_777_216, queue: 32, silence: 10_000 };

const TEXT_HINT = "Pass { text: d => d.body } if your documents keep their text in another field.";

export function checkLimits(limits: Partial<Limits> | undefined): Limits {
  const merged = { ...DEFAULT_LIMITS, ...limits };
  for (const [name, value] of Object.entries(merged)) requirePositiveInteger(value, `limits.${name}`);
  return merged;
}

export function checkTopK(topK: number | undefined): number | undefined {
  if (topK !== undefined) requirePositiveInteger(topK, "topK");
  return topK;
}

export function checkQuery(query: unknown, limits: Limits): string {
  if (typeof query !== "string") throw invalid(`query is ${kindOf(query)}; expected a string`);
  if (query.trim() === "") throw invalid("query is empty");
  checkLength("query", query, limits);
  return query;
}

export function checkText(text: unknown, place: string, limits: Limits): string {
  if (typeof text !== "string") throw invalid(`${place} is ${kindOf(text)}; expected a string`);
  checkLength(place, text, limits);
  return text;
}

export function checkPooling(pooling: unknown): "none" | "mean" {
  if (pooling === undefined || pooling === "none" || pooling === "mean") return pooling ?? "none";
  throw invalid(`pooling is ${kindOf(pooling)}; expected "none" or "mean"`);
}

/** One of the words that an option takes. */
export function checkWord<W extends string>(value: W, words: readonly W[], name: string): W {
  if (words.includes(value)) return value;
  throw invalid(`${name} is none of ${words.map((word) => `"${word}"`).join(", ")}`);
}

/** The documents' texts, all checked. */
export function textsOf<T>(documents: readonly T[], accessor: ((document: T) => string) | undefined, limits: Limits): string[] {
  checkDocuments(documents, limits);
  if (accessor !== undefined && typeof accessor !== "function") throw invalid(`text is ${kindOf(accessor)}; expected a function`);
  const texts = Array.from(documents, (document, index) => textOf(document, index, accessor));
  texts.forEach((text, index) => checkLength(`documents[${index}]`, text, limits));
  return texts;
}

export function checkTotalLength(texts: readonly string[], limits: Limits): void {
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  if (total > limits.totalLength) throw tooLarge("the call's text", total, "UTF-16 units", limits.totalLength, "totalLength");
}

/** What a value is, in words that give nothing of it away. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value === "") return "an empty string";
  if (Array.isArray(value)) return "an array";
  return /^[aeio]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`;
}

export function invalid(message: string, hint?: string, cause?: unknown): RerankerError {
  const data = { code: "INVALID_INPUT" as const, message, ...(hint !== undefined && { hint }) };
  return new RerankerError(data, cause === undefined ? undefined : { cause });
}

function checkDocuments(documents: readonly unknown[], limits: Limits): void {
  if (!Array.isArray(documents)) throw invalid(`documents is ${kindOf(documents)}; expected an array`);
  if (documents.length > limits.documents) throw tooLarge("documents", documents.length, "entries", limits.documents, "documents");
}

function textOf<T>(document: T, index: number, accessor: ((document: T) => string) | undefined): string {
  const place = accessor || typeof document !== "object" || document === null ? `documents[${index}]` : `documents[${index}].text`;
  const text = readText(document, index, accessor);
  if (typeof text === "string") return text;
  const found = accessor ? `${place}: the text option gave ${kindOf(text)}` : `${place} is ${kindOf(text)}`;
  throw invalid(`${found}; expected a string`, TEXT_HINT);
}

function readText<T>(document: T, index: number, accessor: ((document: T) => string) | undefined): unknown {
  try {
    if (accessor) return accessor(document);
    return typeof document === "object" && document !== null ? (document as { text?: unknown }).text : document;
  } catch (error) {
    throw invalid(`documents[${index}]: reading its text threw an error`, undefined, error);
  }
}

function checkLength(place: string, text: string, limits: Limits): void {
  if (text.length > limits.textLength) throw tooLarge(place, text.length, "UTF-16 units", limits.textLength, "textLength");
}

function requirePositiveInteger(value: unknown, place: string): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return;
  const found = typeof value === "number" ? String(value) : kindOf(value);
  throw invalid(`${place} is ${found}; expected a positive integer`);
}

function tooLarge(place: string, size: number, unit: string, limit: number, name: keyof Limits): RerankerError {
  const message = `${place} has ${size.toLocaleString("en")} ${unit}; limits.${name} is ${limit.toLocaleString("en")}`;
  return new RerankerError({ code: "INPUT_TOO_LARGE", message });
}
