/** An object's fields to the letter: in their order, numbers with all their digits, names that come twice. */

export interface Field {
  /** With its quotation marks, as it was written. */
  name: string;
  value: string;
}

/** Of an object's text, which is valid JSON. */
export function fieldsIn(object: string): Field[] {
  return partsOf(object.trim().slice(1, -1), ",")
    .filter((part) => part !== "")
    .map((part) => {
      const [name, ...value] = partsOf(part, ":");
      return { name: name!, value: value.join(":") };
    });
}

/** The value of a name, of several the last, as it was written. */
export function rawField(fields: readonly Field[], name: string): string | undefined {
  return fields.filter((field) => JSON.parse(field.name) === name).at(-1)?.value;
}

/** Those of some names, and the rest. */
export function split(fields: readonly Field[], names: readonly string[]): [named: Field[], rest: Field[]] {
  const isNamed = ({ name }: Field) => names.includes(JSON.parse(name) as string);
  return [fields.filter(isNamed), fields.filter((field) => !isNamed(field))];
}

/** As they stand in an object, in one line. */
export function join(fields: readonly Field[]): string {
  return fields.map(({ name, value }) => `${name}:${oneLine(value)}`).join(",");
}

/** What stands between separators that are in no string, list or object of the text's. */
export function partsOf(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (const at of outside(text)) {
    if (text[at] !== separator) continue;
    parts.push(text.slice(start, at).trim());
    start = at + 1;
  }
  return [...parts, text.slice(start).trim()];
}

/** Places in no string and at depth 0. */
function* outside(text: string): Generator<number> {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') at = endOfString(text, at);
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (depth === 0) yield at;
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** A value that came over several lines, without white space between its parts. */
function oneLine(value: string): string {
  if (!/[\r\n]/.test(value)) return value;
  return value.replace(/("(?:[^"\\]|\\[^])*")|\s+/g, (_, string: string | undefined) => string ?? "");
}
