/** Where a hit has its text. */

import { fieldAt, invalid, invalidKind } from "./fields.js";

/**
 * The field that holds a hit's text, with dots on the way into other fields; or several, whose texts are joined by line breaks, as are those of a field that is a list;
 * or a function.
 */
export type TextOption<Hit> = string | readonly string[] | ((hit: Hit) => string | null | undefined);

interface TextReading<Hit> {
  text(hit: Hit, place: string): string | undefined;
  textPlace: string;
}

const HINT = "Name the field that holds a hit's text by the option `text`, and have the backend send it.";

/** `under`: the hit's field that holds the document's own; "" where they are the hit's. */
export function textReading<Hit>(option: TextOption<Hit>, under: string): TextReading<Hit> {
  if (typeof option === "function") return { text: (hit, place) => checked(option(hit), `${place}: the option text`), textPlace: ": its text" };
  const names = typeof option === "string" ? [option] : option;
  if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== "string")) throw invalidKind(option, "text", "a field's name, several, or a function");
  const path = under === "" ? "" : `.${under}`;
  const text = (hit: Hit, place: string) => joined(names.map((name) => checked(fieldAt(under === "" ? hit : fieldAt(hit, under), name), `${place}${path}.${name}`)));
  return { text, textPlace: `${path}.${names.join(" or .")}` };
}

export function requireText(text: string | undefined, place: string): void {
  if (text === undefined) throw invalid(`${place} is missing`, HINT);
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
