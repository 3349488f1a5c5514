/** Where a hit has its text. */

import { fieldAt, fieldOf, invalid, invalidKind, isRecord } from "./fields.js";

/**
 * The field that holds a hit's text, with dots on the way into other fields; or several, whose texts are joined by line breaks, as are those of a field that is a list;
 * or a function.
 */
export type TextOption<Hit> = string | readonly string[] | ((hit: Hit) => string | null | undefined);

export interface TextReading<Hit> {
  text(hit: Hit, place: string): string | undefined;
  /** How errors name the place of a text that is missing. */
  textPlace: string;
}

const HINT = "Name the field that holds a hit's text by the option `text`, and have the backend send it.";

/** `under`: the hit's fields that may hold the document's own, of which the first that is there counts; none where they are the hit's. */
export function textReading<Hit>(option: TextOption<Hit> = "text", ...under: readonly string[]): TextReading<Hit> {
  if (typeof option === "function") return { text: (hit, place) => checked(option(hit), `${place}: what the option text gives`), textPlace: ": its text" };
  const names = namesIn(option);
  const text = (hit: Hit, place: string) => {
    const holder = under.find((name) => isRecord(fieldOf(hit, name)));
    const fields = holder === undefined ? (under.length === 0 ? hit : undefined) : fieldOf(hit, holder);
    return joined(names.map((name) => checked(fieldAt(fields, name), [place, holder, name].filter(Boolean).join("."))));
  };
  return { text, textPlace: `.${[...under.slice(0, 1), names.join(" or ")].join(".")}` };
}

export function requireText(text: string | undefined, place: string): void {
  if (text === undefined) throw invalid(`${place} is missing`, HINT);
}

function namesIn(option: string | readonly string[]): readonly string[] {
  const names: unknown = typeof option === "string" ? [option] : option;
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string")) return names;
  throw invalidKind(option, "options.text", "a field's name, several, or a function");
}

function joined(parts: readonly (string | undefined)[]): string | undefined {
  const there = parts.filter((part) => part !== undefined);
  return there.length === 0 ? undefined : there.join("\n");
}

function checked(value: unknown, place: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return joined(value.map((part, index) => checked(part, `${place}[${index}]`)));
  if (typeof value !== "string") throw invalidKind(value, place, "a string", HINT);
  return value;
}
