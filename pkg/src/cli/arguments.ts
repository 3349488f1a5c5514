/** Arguments: those of the native command, of which some are for it alone. */

import { builtin } from "../node.js";
import { usage } from "./failure.js";

type Given = Record<string, string | boolean | string[] | undefined>;

interface Found {
  values: Given;
  positionals: string[];
}

type Parse = (config: { args: string[]; options: Record<string, object>; strict: true; allowPositionals: true }) => Found;

/** How the value of an argument is taken. */
export type Kind = "text" | "texts" | "count" | "positive" | "number" | "boolean" | readonly string[];

export type Taken = Record<string, string | string[] | number | boolean | undefined>;

/** What names the model and changes its settings. */
export const MODEL: Record<string, Kind> = {
  model: "text",
  "special-tokens": ["parse", "text"],
  "query-prefix": "text",
  "document-prefix": "text",
  "query-length": "positive",
  "document-length": "positive",
  "do-query-expansion": ["true", "false"],
  "expansion-length": "positive",
  "expansion-token": "text",
  "attend-to-expansion-tokens": ["true", "false"],
  "skiplist-words": "text",
  "truncate-dim": "positive",
};

export const DOCUMENTS: Record<string, Kind> = { "pool-factor": "number", "long-documents": ["cut", "windows"], overlap: "count", "max-windows": "positive", "on-error": ["fail", "skip"] };

/** `native`: arguments that the native command alone has; `places`: names of those without one. */
export function parsed(words: string[], kinds: Record<string, Kind>, native: readonly string[], places: readonly string[] = []): Taken {
  const names = [...Object.keys(kinds), ...native];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string", multiple: kinds[name] === "texts" }]));
  const { values, positionals } = found(joinedValues(words, names), options);
  const other = native.find((name) => values[name] !== undefined);
  if (other) throw usage(`--${other} is for the native command`);
  if (positionals.length > places.length) throw usage(`there is no argument for ${JSON.stringify(positionals[places.length])}`);
  const args: Taken = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, taken(name, value as string | string[], kinds[name]!)]));
  const ofWindows = ["overlap", "max-windows"].find((name) => args[name] !== undefined);
  if (ofWindows && args["long-documents"] !== "windows") throw usage(`--${ofWindows} is given, but long documents are cut; pass --long-documents windows too`);
  return { ...args, ...Object.fromEntries(positionals.map((value, at) => [places[at], value])) };
}

function found(args: string[], options: Record<string, object>): Found {
  const { parseArgs } = builtin<{ parseArgs: Parse }>("util")!;
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: true });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

/** A value may begin with a hyphen, as a query may. */
function joinedValues(args: readonly string[], names: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const isName = names.some((name) => args[at] === `--${name}`) && at + 1 < args.length;
    joined.push(isName ? `${args[at]}=${args[++at]}` : args[at]!);
  }
  return joined;
}

function taken(name: string, value: string | string[], kind: Kind): Taken[string] {
  if (Array.isArray(value) || kind === "text") return value;
  if (typeof kind !== "string") {
    if (!kind.includes(value)) throw usage(`--${name} is none of ${kind.join(", ")}`);
    return value;
  }
  const number = Number(value);
  const isRight = value.trim() !== "" && (kind === "number" ? Number.isFinite(number) : Number.isSafeInteger(number) && number >= (kind === "positive" ? 1 : 0));
  if (!isRight) throw usage(`--${name} is no ${kind === "number" ? "number" : "whole number, or too small"}`);
  return number;
}

export function required(args: Taken, name: string): string {
  const value = args[name];
  if (typeof value !== "string") throw usage(`${name === name.toLowerCase() ? `--${name}` : name} is missing`);
  return value;
}

/** Those that are there, under the names of the package's options. */
export function optionsIn(args: Taken, names: Record<string, string>): Record<string, unknown> {
  const there = Object.entries(names).filter(([name]) => args[name] !== undefined);
  return Object.fromEntries(there.map(([name, option]) => [option, args[name]]));
}
