/** How fast is a loaded model here? Timed are texts of as many tokens as are computed at a time, once all code is warm: documents, or queries where documents are pages. */

import type { Speed } from "../protocol.js";
import type { Engine, Hooks } from "./engine.js";

/** Tokens of a text, and texts: together a batch of the CPU's. */
const LENGTH = 126;
const TEXTS = 4;

/** Words that are one token of nearly every vocabulary. */
const WORDS = ["the", "of", "and", "to"];

export async function speedOf(engine: Pick<Engine, "rerank" | "encode" | "info">, hooks: Hooks): Promise<Speed> {
  const { documentLength, queryLength, pagesOnly } = engine.info;
  // Two tokens are the model's own.
  const words = Math.max(Math.min(LENGTH, pagesOnly ? queryLength : documentLength) - 2, 1);
  // Each begins otherwise, since a text that comes twice is read once.
  const texts = Array.from({ length: TEXTS }, (_, text) => Array.from({ length: words }, (_, place) => WORDS[(text + place) % WORDS.length]).join(" "));
  const read = () => (pagesOnly ? engine.encode("query", texts, { pooling: "none" }, hooks) : engine.rerank(WORDS[0]!, texts, {}, hooks));
  await read();
  const begin = performance.now();
  await read();
  return { tokens: TEXTS * (words + 2), ms: performance.now() - begin };
}
