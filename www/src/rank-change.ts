// How far did a candidate move? Said in words, so that no colour is needed.

export interface RankChange {
  direction: "up" | "down" | "same";
  text: string;
}

/** Ranks count from 1, so a smaller one is better. */
export function rankChange(before: number, after: number): RankChange {
  if (after < before) return { direction: "up", text: `up ${before - after}` };
  if (after > before) return { direction: "down", text: `down ${after - before}` };
  return { direction: "same", text: "same" };
}
