/** Checks the options of a load or a call. Each is read once: what a getter or a proxy would answer the next time is never seen. */

import type { Windows } from "../protocol.js";
import type { EncodePagesOptions, EstimatePagesOptions } from "../pages.js";
import type { BudgetOptions, PageOptions, RerankOptions } from "../ranking.js";
import type { IndexOptions, SearchOptions } from "../search.js";
import type { CheckOptions, EncodeOptions, EstimateOptions, ExplainOptions, LoadOptions, LongDocumentOptions, Overrides, PreloadOptions, ProbeOptions, ScorerOptions, SimilarityOptions, StoredModelOptions, TokenPooling, TokenPoolingOptions, VectorCacheOptions } from "../types.js";
import { checked, type Checks, kind, word } from "./checks.js";
import { MOST_NUMBER, requireBetween, requireCount, requireFinite, requireKind, requireKnown, requirePositiveInteger, wordsOf } from "./input.js";
import { invalid, invalidKind, isAddress } from "./invalid.js";
import { checkFusion, type CheckedStage, checkStages } from "./stages.js";

/** Windows of a document, where nothing else is asked for; `LongDocuments::MOST_WINDOWS` of the engine. */
const MOST_WINDOWS = 16;

/** The options of a call, those of long documents as one. */
export type WithWindows<O extends LongDocumentOptions> = Omit<O, keyof LongDocumentOptions> & { windows?: Windows };

export type CheckedEncode<T> = Omit<WithWindows<EncodeOptions<T>>, "tokenPooling"> & { tokenPooling?: TokenPooling };

/** With a budget or without. */
export type AnyBudget<T> = RerankOptions<T> & Partial<BudgetOptions<T>>;

export type CheckedRerank<T> = Omit<WithWindows<AnyBudget<T>>, "stages" | "tokenPooling"> & { stages?: CheckedStage<T>[]; tokenPooling?: TokenPooling };

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
  workers: requireWorkers,
  specialTokens: word("parse", "text"),
  overrides: kind("object"),
  cache: word("use", "reload", "off"),
  persist: kind("boolean"),
  // What it holds is checked as it is read.
  vectorCache: () => {},
  onProgress: kind("function"),
  onWarning: kind("function"),
  onDeviceChange: kind("function"),
  signal: requireSignal,
  workerUrl: requireAddress,
  wasmUrl: requireAddress,
  gpuWasmUrl: requireAddress,
  imagesWasmUrl: requireAddress,
  limits: kind("object"),
};

const PRELOAD: Checks<PreloadOptions> = {
  ...STORED,
  persist: LOAD.persist,
  onProgress: LOAD.onProgress,
  onWarning: LOAD.onWarning,
  signal: LOAD.signal,
  simd: LOAD.simd,
  workerUrl: LOAD.workerUrl,
  wasmUrl: LOAD.wasmUrl,
  limits: LOAD.limits,
  pages: kind("boolean"),
};

const PROBE: Checks<ProbeOptions> = { ...STORED, signal: LOAD.signal };

const OVERRIDES: Checks<Overrides> = {
  queryPrefix: kind("string"),
  documentPrefix: kind("string"),
  queryLength: requireCount(1),
  documentLength: requireCount(1),
  doQueryExpansion: kind("boolean"),
  expansionLength: requireCount(1),
  expansionToken: kind("string"),
  attendToExpansionTokens: kind("boolean"),
  // Its words are checked as they are read.
  skiplistWords: () => {},
  truncateDim: requireCount(1),
};

const VECTOR_CACHE: Checks<VectorCacheOptions> = { maxBytes: requireCount(1), persist: kind("boolean"), codec: word("f32", "f16", "int8", "binary") };

const DEFAULT_VECTOR_CACHE: Required<VectorCacheOptions> = { maxBytes: 32_000_000, persist: false, codec: "int8" };

const LONG: Checks<LongDocumentOptions> = { longDocuments: word("cut", "windows"), overlap: requireCount(0), maxWindows: requireCount(1) };

const READ = { ...LONG, signal: requireSignal };

// What `codecs` holds is checked as it is read.
const EXPLAIN: Checks<ExplainOptions> = { ...READ, codecs: () => {} };

// What `tokenPooling` holds is checked as it is read.
const CALL = { ...READ, onProgress: kind("function"), text: kind("function"), tokenPooling: () => {} };

const RERANK: Checks<AnyBudget<never>> = {
  ...CALL,
  // What it holds is checked as it is read; so is what `fuse` does.
  stages: () => {},
  minScore: requireFinite,
  fuse: () => {},
  diversify: requireBetween(0, 1),
  topK: requirePositiveInteger,
  explain: kind("boolean"),
  profile: kind("boolean"),
  mode: word("queue", "latest"),
  onPartial: kind("function"),
  budgetMs: requireBetween(0, MOST_NUMBER),
  embeddings: requireSource,
  // They are checked as they are read.
  codecs: () => {},
  transfer: kind("boolean"),
  vectorCache: kind("boolean"),
  id: kind("function"),
};

const ESTIMATE_PAGES: Checks<EstimatePagesOptions> = { signal: requireSignal, onProgress: kind("function"), longestEdge: requireCount(1) };

const ENCODE_PAGES: Checks<EncodePagesOptions> = { ...ESTIMATE_PAGES, onlyPatches: kind("boolean"), vectorCache: kind("boolean") };

const PAGE: Checks<PageOptions> = { signal: requireSignal, onProgress: kind("function") };

const ESTIMATE: Checks<EstimateOptions<never>> = { ...READ, query: kind("string"), text: kind("function") };

const ENCODE: Checks<EncodeOptions<never>> = { ...CALL, pooling: word("none", "mean", "cls", "checkpoint") };

const TOKEN_POOLING: Checks<TokenPooling> = { factor: requireBetween(1, MOST_NUMBER), protected: requireCount(0), normalize: kind("boolean") };

const SCORER: Checks<ScorerOptions> = { simd: LOAD.simd, signal: LOAD.signal, workerUrl: LOAD.workerUrl, wasmUrl: LOAD.wasmUrl, limits: LOAD.limits };

const CHECK: Checks<CheckOptions> = { simd: LOAD.simd, signal: LOAD.signal, workerUrl: LOAD.workerUrl, wasmUrl: LOAD.wasmUrl, gpuWasmUrl: LOAD.gpuWasmUrl, device: word("cpu", "webgpu"), seed: requireCount(0) };

const INDEX: Checks<IndexOptions> = {
  ...SCORER,
  headers: LOAD.headers,
  onWarning: LOAD.onWarning,
  // It is looked at as it is used.
  reranker: () => {},
  fetch: word("probed", "all"),
  cache: word("use", "off"),
  onProgress: kind("function"),
};

const SEARCH: Checks<SearchOptions> = { topK: requireCount(1), nIvfProbe: requireCount(1), nFullScores: requireCount(1), onProgress: kind("function"), signal: requireSignal };

const SIMILARITY: Checks<SimilarityOptions> = { signal: requireSignal, codecs: () => {}, measure: word("maxsim", "meanmaxsim") };

export const checkLoad = (options: LoadOptions): LoadOptions => {
  const there = checked(options, LOAD);
  return there.overrides ? { ...there, overrides: checkOverrides(there.overrides) } : there;
};
/** Undefined where there is to be none. */
export const checkVectorCache = (given: LoadOptions["vectorCache"] = false): Required<VectorCacheOptions> | undefined => {
  if (typeof given === "boolean") return given ? DEFAULT_VECTOR_CACHE : undefined;
  requireKind("object", given, "vectorCache");
  requireKnown(given, VECTOR_CACHE, "vectorCache", "option");
  return { ...DEFAULT_VECTOR_CACHE, ...checked(given, VECTOR_CACHE, "vectorCache.") };
};
export const checkPreload = (options: PreloadOptions): PreloadOptions => checked(options, PRELOAD);
export const checkProbe = (options: ProbeOptions): ProbeOptions => checked(options, PROBE);
export const checkScorer = (options: ScorerOptions): ScorerOptions => checked(options, SCORER);
export const checkCheck = (options: CheckOptions): CheckOptions => checked(options, CHECK);
export const checkIndex = (options: IndexOptions): IndexOptions => checked(options, INDEX);
export const checkSearch = (options: SearchOptions): SearchOptions => checked(options, SEARCH);
export const checkSimilarity = (options: SimilarityOptions): SimilarityOptions => checked(options, SIMILARITY);
export const checkStored = (options: StoredModelOptions): StoredModelOptions => checked(options, STORED);
export const checkRerank = <T>(options: AnyBudget<T>): CheckedRerank<T> => {
  const { stages, fuse, ...there } = withTokenPooling(withWindows(checked(options, RERANK)));
  const list = stages === undefined ? undefined : checkStages(stages);
  return { ...there, ...(list && { stages: list }), ...(fuse !== undefined && { fuse: checkFusion(fuse, list ?? []) }) };
};
export const checkEncodePages = (options: EncodePagesOptions): EncodePagesOptions => checked(options, ENCODE_PAGES);
export const checkEstimatePages = (options: EstimatePagesOptions): EstimatePagesOptions => checked(options, ESTIMATE_PAGES);
export const checkPage = (options: PageOptions): PageOptions => checked(options, PAGE);
export const checkEncode = <T>(options: EncodeOptions<T>): CheckedEncode<T> => {
  const there = withTokenPooling(withWindows(checked(options, ENCODE)));
  const { pooling = "none", tokenPooling } = there;
  if (tokenPooling && pooling !== "none") throw invalid(`tokenPooling is given, and with pooling "${pooling}" no token embeddings stay`);
  return there;
};
export const checkEstimate = <T>(options: EstimateOptions<T>): WithWindows<EstimateOptions<T>> => withWindows(checked(options, ESTIMATE));
export const checkExplain = (options: ExplainOptions): WithWindows<ExplainOptions> => withWindows(checked(options, EXPLAIN));

function checkOverrides(overrides: Overrides): Overrides {
  requireKnown(overrides, OVERRIDES, "overrides", "setting");
  const there = checked(overrides, OVERRIDES, "overrides.");
  const { skiplistWords } = there;
  return skiplistWords === undefined ? there : { ...there, skiplistWords: wordsOf(skiplistWords, "overrides.skiplistWords") };
}

/** A factor alone is all of a token pooling. */
function withTokenPooling<O extends TokenPoolingOptions>({ tokenPooling, ...rest }: O): Omit<O, "tokenPooling"> & { tokenPooling?: TokenPooling } {
  if (tokenPooling === undefined) return rest;
  const settings = typeof tokenPooling === "number" ? { factor: tokenPooling } : tokenPooling;
  requireKind("object", settings, "tokenPooling");
  requireKnown(settings, TOKEN_POOLING, "tokenPooling", "setting");
  const there = checked(settings, TOKEN_POOLING, "tokenPooling.");
  if (there.factor === undefined) throw invalid("tokenPooling.factor is missing");
  return { ...rest, tokenPooling: there };
}

/** What becomes of long documents as the worker takes it: without windows they are cut. */
function withWindows<O extends LongDocumentOptions>({ longDocuments = "cut", overlap, maxWindows, ...rest }: O): WithWindows<O> {
  if (longDocuments === "windows") return { ...rest, windows: { ...(overlap !== undefined && { overlap }), maxWindows: maxWindows ?? MOST_WINDOWS } };
  const given = overlap !== undefined ? "overlap" : maxWindows !== undefined ? "maxWindows" : undefined;
  if (given !== undefined) throw invalid(`${given} is given, but long documents are cut`, 'Pass longDocuments: "windows" too.');
  return rest;
}

/** What it holds is seen as it is read. */
function requireSource(value: unknown, name: string): void {
  if (typeof value !== "function") requireKind("object", value, name);
}

function requireWorkers(value: unknown, name: string): void {
  if (value !== "auto") requireCount(1)(value, name);
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
