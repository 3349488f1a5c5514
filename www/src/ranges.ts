// Where does a match stand, and how do its places cut a text? All offsets count UTF-16 units, as JavaScript's strings do.
import type { TextRange, TokenMatch } from "tabrank";

export interface Piece<T> extends TextRange {
  /** What covers this piece, in the order given. */
  covering: T[];
}

/** The document's place of a match; special tokens have none. */
export function placeOf(match: TokenMatch): TextRange | undefined {
  const { start, end } = match.document;
  return start === null || end === null || start === end ? undefined : { start, end };
}

/** Cuts the part of a text wherever an item begins or ends, so that each piece is covered by the same items throughout. */
export function pieces<T extends TextRange>(part: TextRange, items: readonly T[]): Piece<T>[] {
  const inside = (at: number) => Math.min(Math.max(at, part.start), part.end);
  const cuts = items.flatMap(({ start, end }) => [inside(start), inside(end)]);
  const points = [...new Set([part.start, ...cuts, part.end])].sort((a, b) => a - b);
  return points.slice(0, -1).map((start, i) => {
    const end = points[i + 1]!;
    return { start, end, covering: items.filter((item) => item.start <= start && item.end >= end) };
  });
}
