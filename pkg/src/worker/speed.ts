/** How fast is a loaded model here? Timed are texts of as many tokens as are computed at a time, once all code is warm. */

import type { Speed } from "../protocol.js";
import type { Engine, Hooks } from "./engine.js";

/** Tokens of a text, and texts: together a batch of the CPU's. */
const LENGTH = 126;
const TEXTS = 4;

/** Words that are one token of nearly every vocabulary. */
const WORDS = ["the", "of", "and", "to"];

export async function speedOf(engine: Pick<Engine, "rerank" | "info">, hooks: Hooks): Promise<Speed> {
  // Two tokens are the model's own.
  const words = Math.max(Math.min(LENGTH, engine.info.documentLength) - 2, 1);
  // Each begins otherwise, since a text that comes twice is read once.
  const texts = Array.from({ length: TEXTS }, (_, text) => Array.from({ length: words }, (_, place) => WORDS[(text + place) % WORDS.length]).join(" "));
  await engine.rerank(WORDS[0]!, texts, {}, hooks);
  const begin = performance.now();
  await engine.rerank(WORDS[0]!, texts, {}, hooks);
  return { tokens: TEXTS * (words + 2), ms: performance.now() - begin };
}
