// How strong is a match? One scale for all results of a question, so that rows can be compared.
import type { Explanation } from "tabrank";

export interface HeatScale {
  low: number;
  high: number;
}

export const HEAT_LEVELS = 5;

export function heatScale(explanations: readonly Explanation[]): HeatScale {
  let low = Infinity;
  let high = -Infinity;
  for (const { matches } of explanations) {
    for (const { similarity } of matches) {
      low = Math.min(low, similarity);
      high = Math.max(high, similarity);
    }
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** Similarity from which a level begins. */
export function levelFloor({ low, high }: HeatScale, level: number): number {
  return low + ((high - low) * (level - 1)) / HEAT_LEVELS;
}

/** From 1, the weakest, to HEAT_LEVELS. */
export function heatLevel({ low, high }: HeatScale, similarity: number): number {
  const share = high > low ? (similarity - low) / (high - low) : 1;
  return Math.min(HEAT_LEVELS, Math.max(1, 1 + Math.floor(share * HEAT_LEVELS)));
}
