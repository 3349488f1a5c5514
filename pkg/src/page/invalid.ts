/** Looks at what a caller gives, whatever it is, and says what is wrong with it. Messages name the place and the kind of a bad value, never a text. */

import { RerankerError } from "../error.js";

/** A property of what the caller gave, which may be a getter that throws, or a proxy. */
export function read<O extends object, K extends keyof O>(object: O, key: K, place: string): O[K] {
  return answerOf(() => object[key], `${place}: reading it`);
}

export function isA<T>(value: unknown, type: abstract new (...parameters: never[]) => T): value is T {
  return tells(() => value instanceof type);
}

export function isAddress(value: unknown): value is string | URL {
  return typeof value === "string" || isA(value, URL);
}

export function invalidKind(value: unknown, place: string, expected: string, hint?: string): RerankerError {
  return invalid(`${place} is ${kindOf(value)}; expected ${expected}`, hint);
}

export function invalid(message: string, hint?: string, cause?: unknown): RerankerError {
  const data = { code: "INVALID_INPUT" as const, message, ...(hint !== undefined && { hint }) };
  return new RerankerError(data, cause === undefined ? undefined : { cause });
}

/** What a value is, in words that give nothing of it away. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value === "") return "an empty string";
  return withArticle(isArray(value) ? "array" : typeof value);
}

export function withArticle(word: string): string {
  return `${/^[aeio]/.test(word) ? "an" : "a"} ${word}`;
}

export function isArray(value: unknown): value is readonly unknown[] {
  return tells(() => Array.isArray(value));
}

/** A proxy that was revoked throws where it is asked what it is: it is nothing. */
function tells(question: () => boolean): boolean {
  try {
    return question();
  } catch {
    return false;
  }
}

/** What code of the caller's answers. `what` it does, for an error. */
export function answerOf<A>(ask: () => A, what: string): A {
  try {
    return ask();
  } catch (error) {
    throw invalid(`${what} threw an error`, undefined, error);
  }
}
