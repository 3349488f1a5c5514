/** Reads a backend's answer, any field of which may be missing or of another kind. Errors name the field and the kind of what is there, never a text. */

import { RerankerError } from "../../index.js";

export function invalid(message: string, hint?: string): RerankerError {
  return new RerankerError({ code: "INVALID_INPUT", message, ...(hint !== undefined && { hint }) });
}

export function invalidKind(value: unknown, place: string, expected: string, hint?: string): RerankerError {
  return invalid(value === undefined ? `${place} is missing; expected ${expected}` : `${place} is ${kindOf(value)}; expected ${expected}`, hint);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const word = Array.isArray(value) ? "array" : typeof value;
  return `${/^[aeio]/.test(word) ? "an" : "a"} ${word}`;
}

/** A field of what may be no record; undefined where it has none, or `null`, or no more than what every object has. */
export function fieldOf(record: unknown, name: string): unknown {
  if (!isRecord(record) || name in Object.prototype) return undefined;
  return (record as Record<string, unknown>)[name] ?? undefined;
}

/** The field of that name, or what the name's parts between its dots lead to. */
export function fieldAt(record: unknown, name: string): unknown {
  return fieldOf(record, name) ?? name.split(".").reduce(fieldOf, record);
}

export function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function requireRecord(value: unknown, place: string): asserts value is object {
  if (!isRecord(value)) throw invalidKind(value, place, "an object");
}

export function requireList(value: unknown, place: string, hint?: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw invalidKind(value, place, "an array", hint);
}

/** One that is not there is none. */
export function numberIn(record: unknown, name: string, place: string): number | undefined {
  const value = fieldAt(record, name);
  if (value === undefined || Number.isFinite(value)) return value as number | undefined;
  throw invalidKind(value, `${place}.${name}`, "a finite number");
}

export function idIn(record: unknown, name: string, place: string): string | number | undefined {
  const value = fieldAt(record, name);
  if (typeof value === "bigint") return String(value);
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  throw invalidKind(value, `${place}.${name}`, "a string or a number");
}

/** Of a distance the least is the best. */
export function scoreFrom(value: number | undefined, isDistance = false): number | undefined {
  return value !== undefined && isDistance ? 0 - value : value;
}
