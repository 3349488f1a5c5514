/** Checks the options of a load or a call. Each is read once: what a getter or a proxy would answer the next time is never seen. */

import type { EncodeOptions, ExplainOptions, LoadOptions, LongDocumentOptions, Overrides, RerankOptions, StoredModelOptions } from "../types.js";
import type { Windows } from "../protocol.js";
import { invalid, invalidKind, isAddress, namesIn, read, requireCount, requireKind, requirePositiveInteger, wordsOf } from "./input.js";

/** Windows of a document, where nothing else is asked for; `LongDocuments::MOST_WINDOWS` of the engine. */
const MOST_WINDOWS = 16;

/** The options of a call, those of long documents as one. */
export type WithWindows<O extends LongDocumentOptions> = Omit<O, keyof LongDocumentOptions> & { windows?: Windows };

type Check = (value: unknown, name: string) => void;

/** A check for each option there is: the compiler asks for those of new ones. */
type Checks<O> = { readonly [K in keyof O]-?: Check };

const STORED: Checks<StoredModelOptions> = {
  revision: kind("string"),
  hub: requireAddress,
  dtype: word("f32", "f16", "q8", "q4"),
  headers: kind("object"),
};

const LOAD: Checks<LoadOptions> = {
  ...STORED,
  device: word("auto", "cpu", "webgpu"),
  simd: word("auto", "simd128"),
  specialTokens: word("parse", "text"),
  overrides: kind("object"),
  cache: word("use", "reload", "off"),
  onProgress: kind("function"),
  onWarning: kind("function"),
  signal: requireSignal,
  workerUrl: requireAddress,
  wasmUrl: requireAddress,
  limits: kind("object"),
};

const OVERRIDES: Checks<Overrides> = {
  queryPrefix: kind("string"),
  documentPrefix: kind("string"),
  queryLength: requirePositiveInteger,
  documentLength: requirePositiveInteger,
  doQueryExpansion: kind("boolean"),
  expansionLength: requirePositiveInteger,
  expansionToken: kind("string"),
  attendToExpansionTokens: kind("boolean"),
  // Its words are checked as they are read.
  skiplistWords: () => {},
  truncateDim: requirePositiveInteger,
};

const LONG: Checks<LongDocumentOptions> = { longDocuments: word("cut", "windows"), overlap: requireCount, maxWindows: requirePositiveInteger };

const EXPLAIN: Checks<ExplainOptions> = { ...LONG, signal: requireSignal };

const CALL = { ...EXPLAIN, onProgress: kind("function"), text: kind("function") };

const RERANK: Checks<RerankOptions<never>> = { ...CALL, topK: requirePositiveInteger, explain: kind("boolean"), profile: kind("boolean"), latest: kind("boolean") };

const ENCODE: Checks<EncodeOptions<never>> = { ...CALL, pooling: word("none", "mean", "cls", "checkpoint") };

export const checkLoad = (options: LoadOptions): LoadOptions => {
  const there = checked(options, LOAD);
  return there.overrides ? { ...there, overrides: checkOverrides(there.overrides) } : there;
};
export const checkStored = (options: StoredModelOptions): StoredModelOptions => checked(options, STORED);
export const checkRerank = <T>(options: RerankOptions<T>): WithWindows<RerankOptions<T>> => withWindows(checked(options, RERANK));
export const checkEncode = <T>(options: EncodeOptions<T>): WithWindows<EncodeOptions<T>> => withWindows(checked(options, ENCODE));
export const checkExplain = (options: ExplainOptions): WithWindows<ExplainOptions> => withWindows(checked(options, EXPLAIN));

/** A setting that is misspelled would leave the checkpoint's own in force. */
function checkOverrides(overrides: Overrides): Overrides {
  const unknown = namesIn(overrides).find((name) => !Object.hasOwn(OVERRIDES, name));
  if (unknown !== undefined) throw invalid(`overrides.${unknown} is no setting; there are ${Object.keys(OVERRIDES).join(", ")}`);
  const there = checked(overrides, OVERRIDES, "overrides.");
  const { skiplistWords } = there;
  return skiplistWords === undefined ? there : { ...there, skiplistWords: wordsOf(skiplistWords, "overrides.skiplistWords") };
}

/** What becomes of long documents as the worker takes it: without windows they are cut. */
function withWindows<O extends LongDocumentOptions>({ longDocuments = "cut", overlap, maxWindows, ...rest }: O): WithWindows<O> {
  if (longDocuments === "windows") return { ...rest, windows: { ...(overlap !== undefined && { overlap }), maxWindows: maxWindows ?? MOST_WINDOWS } };
  const given = overlap !== undefined ? "overlap" : maxWindows !== undefined ? "maxWindows" : undefined;
  if (given !== undefined) throw invalid(`${given} is given, but long documents are cut`, 'Pass longDocuments: "windows" too.');
  return rest;
}

/** Those that are there. */
function checked<O extends object>(options: O, checks: Checks<NoInfer<O>>, path = ""): O {
  requireKind("object", options, "options");
  const there: Partial<O> = {};
  for (const name of Object.keys(checks) as (keyof O & string)[]) {
    const place = `${path}${name}`;
    const value = read(options, name, place);
    if (value === undefined) continue;
    checks[name](value, place);
    there[name] = value;
  }
  return there as O;
}

function kind(type: "boolean" | "function" | "object" | "string"): Check {
  return (value, name) => requireKind(type, value, name);
}

function word(...words: string[]): Check {
  return (value, name) => {
    if (!words.includes(value as string)) throw invalid(`${name} is none of ${words.map((known) => `"${known}"`).join(", ")}`);
  };
}

function requireAddress(value: unknown, name: string): void {
  if (!isAddress(value)) throw invalidKind(value, name, "an address");
}

/** A proxy of a signal fails here and not in the middle of a call: the platform's own functions take none. */
function requireSignal(value: unknown, name: string): void {
  if (!isSignal(value)) throw invalidKind(value, name, "an AbortSignal, and no proxy of one");
}

function isSignal(value: unknown): boolean {
  try {
    const { aborted, throwIfAborted, addEventListener } = value as AbortSignal;
    return typeof aborted === "boolean" && typeof throwIfAborted === "function" && typeof addEventListener === "function";
  } catch {
    return false;
  }
}
