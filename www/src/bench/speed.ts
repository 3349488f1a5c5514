// How many tokens a second does a device rerank? One warm call after the other on as many texts as it does in some seconds.
import { type ChosenDevice, type GpuKernel, type LoadOptions, Reranker } from "tabrank";
import type { ModelPlace } from "../model-place.ts";
import { asProblem } from "../problem.ts";
import type { Problem } from "../state.ts";
import type { Texts } from "./texts.ts";

/** One way to run the model. */
export interface Way {
  name: string;
  options: Pick<LoadOptions, "device" | "simd" | "workers">;
}

export interface Speed {
  documents: number;
  /** Of documents and query. */
  tokens: number;
  /** Milliseconds from nothing to a model that can be called. */
  load: number;
  /** Milliseconds of the first call, of one document. */
  first: number;
  /** Milliseconds of each warm call, of all documents. */
  times: number[];
  model: string;
  /** How a GPU multiplies, if one was found right. */
  kernel: GpuKernel | undefined;
  choice: ChosenDevice;
  warnings: string[];
}

/** Milliseconds that one call may take about. */
const CALL = 2_500;
const RUNS = 3;
/** Calls in which the package finds out which device and how many workers pay, where it is left to it. */
const TRIALS = 6;
/** Milliseconds that it may take to try a GPU, which it does while nothing is asked of it; and between two looks. */
const PATIENCE = 60_000;
const LOOK = 100;

export async function measureSpeed({ source, options: stored }: ModelPlace, { options }: Way, texts: Texts, signal: AbortSignal): Promise<Speed | Problem> {
  try {
    const start = performance.now();
    const reranker = await Reranker.load(source, { ...stored, ...options, signal });
    const load = performance.now() - start;
    return await timed(reranker, options.device === "auto" ? TRIALS : 0, texts, signal, load).finally(() => reranker.dispose());
  } catch (error) {
    signal.throwIfAborted();
    return asProblem(error);
  }
}

async function timed(reranker: Reranker, trials: number, { query, documents }: Texts, signal: AbortSignal, load: number): Promise<Speed> {
  const call = async (texts: string[]) => {
    const start = performance.now();
    await reranker.rerank(query, texts, { signal });
    return performance.now() - start;
  };
  const first = await call(documents.slice(0, 1));
  const some = documents.slice(0, fitting(await call(documents.slice(0, 1)), documents.length));
  // The browser optimizes the module while this runs.
  const { lengths } = await reranker.encodeDocuments(some, { signal });
  const { lengths: queryLengths } = await reranker.encodeQuery(query, { signal });
  for (let trial = 0; trial < trials; trial += 1) await call(some);
  await settled(reranker, signal);
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) times.push(await call(some));
  const { model, simd, gpuKernel: kernel, choice, warnings } = reranker;
  return {
    documents: some.length,
    tokens: [...lengths, ...queryLengths].reduce((sum, length) => sum + length, 0),
    load,
    first,
    times,
    model: `${model.architecture}, ${model.layers} layers, ${model.hiddenSize} wide, ${model.dtype}, ${simd}`,
    kernel,
    choice,
    warnings: warnings.map(({ code }) => code),
  };
}

/** Once the package knows which device it is. */
async function settled(reranker: Reranker, signal: AbortSignal): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (reranker.choice.why === "first" && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    signal.throwIfAborted();
  }
}

/** How many documents a call holds, by what one takes. */
export function fitting(one: number, most: number): number {
  return Math.max(1, Math.min(most, Math.round(CALL / one)));
}

/** By the median of the calls. */
export function tokensASecond({ tokens, times }: Speed): number {
  return (1_000 * tokens) / median(times);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}
