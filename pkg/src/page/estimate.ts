/** What would a ranking take? */

import type { CostAnswer, Windows } from "../protocol.js";
import type { Estimate } from "../types.js";
import type { Own } from "./own.js";
import { rank } from "./pipeline.js";

/** UTF-16 units of the documents that are ranked for a measurement: some hundred tokens, a batch. */
const SAMPLE = 2_048;

/** Milliseconds. What takes less is measured by the time that a call takes to begin, so more documents are ranked. */
const ENOUGH = 100;

/** Where none is asked about. */
const QUERY = "what does it take";

interface Asked {
  query: string | undefined;
  windows: Windows | undefined;
  signal: AbortSignal | undefined;
}

export async function estimate(own: Own, texts: readonly string[], { query = QUERY, windows, signal }: Asked): Promise<Estimate> {
  const { client, rate } = own;
  const costOfAll = () => client.call("cost", { query, texts: [...texts], windows }, { signal });
  const cost = await costOfAll();
  const known = rate.of(client.device, cost);
  if (known) return { ...known, measured: { by: "calls", ...known.measured } };
  const options = { vectorCache: false, ...(windows && { windows }), ...(signal && { signal }) };
  // The first call finds caches cold, and code that was not compiled for speed yet.
  await rank(own, query, sampleOf(texts, SAMPLE), options);
  for (let size = SAMPLE, took = 0; took < ENOUGH; size *= 4) {
    const sample = sampleOf(texts, size);
    const begin = performance.now();
    rate.forget(client.device);
    await rank(own, query, sample, options);
    took = sample.length === texts.length ? ENOUGH : performance.now() - begin;
  }
  // So did the first look at the texts.
  const warm = await costOfAll();
  return sampled(rate.of(client.device, warm), warm);
}

/** Documents so short that they tell nothing take next to no time. */
function sampled(known: ReturnType<Own["rate"]["of"]>, { tokens, tokenize }: CostAnswer): Estimate {
  const { milliseconds, measured } = known ?? { milliseconds: tokenize, measured: { tokens: 0, milliseconds: 0 } };
  return { milliseconds, tokens, measured: { by: "sample", ...measured } };
}

/** From all over the list. */
function sampleOf(texts: readonly string[], size: number): string[] {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  const step = Math.max(1, Math.floor(length / size));
  return texts.filter((_, place) => place % step === 0);
}
