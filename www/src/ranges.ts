// Which parts of a text are shown and marked? All offsets count UTF-16 units, as JavaScript's strings do.
import type { TokenMatch } from "tabrank";

export interface Range {
  start: number;
  end: number;
}

export interface Piece<T> extends Range {
  /** What covers this piece, in the order given. */
  covering: T[];
}

const MARKED_WORDS = 3;
const SNIPPET_REACH = 170;
const SNIPPET_LEAD = 45;

/** Question marks and the like match some word of any text. */
const ASKS = /[\p{L}\p{N}]/u;

const words = new Intl.Segmenter("en", { granularity: "word" });

/** Joins ranges that overlap or touch; in order of their start. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** The words that the range touches, or nothing where it touches no letter or digit. */
export function wordsAround(text: string, range: Range): Range | undefined {
  const segments = words.segment(text);
  let start: number | undefined;
  let end = range.start;
  for (let at = range.start; at < range.end; at = end) {
    const segment = segments.containing(at);
    if (segment === undefined) break;
    end = segment.index + segment.segment.length;
    if (segment.isWordLike) start ??= segment.index;
  }
  return start === undefined ? undefined : { start, end };
}

/** The document's place of a match; special tokens have none. */
export function placeOf(match: TokenMatch): Range | undefined {
  const { start, end } = match.document;
  return start === null || end === null || start === end ? undefined : { start, end };
}

/** The words of the best matches, sub-words joined, in order of their place: the best one, and others that reach the floor. */
export function bestWords(text: string, matches: readonly TokenMatch[], floor: number): Range[] {
  const found: Range[] = [];
  for (const match of [...matches].sort((a, b) => b.similarity - a.similarity)) {
    if (found.length === MARKED_WORDS || (found.length > 0 && match.similarity < floor)) break;
    const word = matchedWords(text, match);
    if (word !== undefined && !found.some((other) => overlap(word, other))) found.push(word);
  }
  return mergeRanges(found);
}

function matchedWords(text: string, match: TokenMatch): Range | undefined {
  const place = placeOf(match);
  if (place === undefined || match.query.start === null || !ASKS.test(match.query.token)) return undefined;
  return wordsAround(text, place);
}

/** The part of a text that holds most of the ranges near its start: begins at a word, ends with the text. */
export function snippet(text: string, ranges: readonly Range[]): Range {
  const reached = (from: Range) =>
    ranges.filter(({ start, end }) => start >= from.start && end <= from.start + SNIPPET_REACH).length;
  const first = [...ranges].sort((a, b) => reached(b) - reached(a) || a.start - b.start)[0];
  if (first === undefined || first.end <= SNIPPET_REACH) return { start: 0, end: text.length };
  const space = text.indexOf(" ", first.start - SNIPPET_LEAD);
  return { start: space < 0 || space >= first.start ? first.start : space + 1, end: text.length };
}

/** Cuts the part of a text wherever an item begins or ends, so that each piece is covered by the same items throughout. */
export function pieces<T extends Range>(part: Range, items: readonly T[]): Piece<T>[] {
  const inside = (at: number) => Math.min(Math.max(at, part.start), part.end);
  const cuts = items.flatMap(({ start, end }) => [inside(start), inside(end)]);
  const points = [...new Set([part.start, ...cuts, part.end])].sort((a, b) => a - b);
  return points.slice(0, -1).map((start, i) => {
    const end = points[i + 1]!;
    return { start, end, covering: items.filter((item) => item.start <= start && item.end >= end) };
  });
}

function overlap(a: Range, b: Range): boolean {
  return a.start < b.end && b.start < a.end;
}
