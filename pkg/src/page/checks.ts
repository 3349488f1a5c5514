/** Checks objects that a caller gives, option by option. */

import { type readField, requireKind } from "./input.js";
import { invalid, read } from "./invalid.js";

type Check = (value: unknown, name: string) => void;

/** A check for each option there is: the compiler asks for those of new ones. */
export type Checks<O> = { readonly [K in keyof O]-?: Check };

/** Those that are there, by what reads them. */
export function checked<O extends object>(options: O, checks: Checks<NoInfer<O>>, path = "", reader: typeof readField = read as typeof readField): O {
  requireKind("object", options, "options");
  const there: Partial<O> = {};
  for (const name of Object.keys(checks) as (keyof O & string)[]) {
    const place = `${path}${name}`;
    const value = reader(options, name, place);
    if (value === undefined) continue;
    checks[name](value, place);
    there[name] = value;
  }
  return there as O;
}

export function kind(type: "boolean" | "function" | "object" | "string"): Check {
  return (value, name) => requireKind(type, value, name);
}

export function word(...words: string[]): Check {
  return (value, name) => {
    if (!words.includes(value as string)) throw invalid(`${name} is none of ${words.map((known) => `"${known}"`).join(", ")}`);
  };
}
