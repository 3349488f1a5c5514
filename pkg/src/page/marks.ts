/** Which words of a document are to be marked, and which part of it is to be shown? Both are read off an explanation. */

import type { Mark, MarkOptions, Passage, TextRange } from "../marking.js";
import type { RerankResult } from "../ranking.js";
import type { Explanation, TokenMatch } from "../types.js";
import { answerOf, invalid, invalidKind } from "./invalid.js";

/** A result that was ranked with `explain`, or what `explain` gave. */
export type Explained<T> = RerankResult<T, number | null> | Explanation;

const MOST_MARKED = 3;

/** Of the room that a passage has beside its matches, what goes before them. */
const LEAD = 1 / 3;

/** Question marks and the like match some word of any text. */
const ASKS = /[\p{L}\p{N}]/u;

const NO_EXPLANATION = "Rank with explain: true.";

const NO_TEXT = "Pass { text: d => d.body } if your documents keep their text in another field, and { text } with an explanation.";

/** Where a match lies. */
interface Place extends TextRange {
  similarity: number;
}

/**
 * The words of a document that matched the query best, in the order of their place. None of an explanation without places in a text, such as that of a page image, and
 * of a result that has no explanation because there was no time for it.
 *
 * @example
 * const { results } = await reranker.rerank(query, ["Goethe wrote Faust."], { explain: true });
 * for (const { start, end } of marks(results[0])) show(results[0].document.slice(start, end));
 */
export function marks<T>(found: Explained<T>, options: MarkOptions<T> = {}): Mark[] {
  const text = textOf(found, options);
  return marksOf(text, placesOf(text, found), options);
}

/**
 * The part of a document, of `length` UTF-16 units at most, that holds most of what matched the query: whole words, and no half of a character. It begins with the
 * text where that beginning is as good.
 *
 * @example
 * const { results } = await reranker.rerank(query, hits, { text: (hit) => hit.body, explain: true });
 * for (const result of results) show(passage(result, 200, { text: (hit) => hit.body }).text);
 */
export function passage<T>(found: Explained<T>, length: number, options: MarkOptions<T> = {}): Passage {
  if (!Number.isSafeInteger(length) || length < 1) throw invalid("length is no positive integer");
  const text = textOf(found, options);
  const places = placesOf(text, found);
  const { start, end } = around(text, bestOf(places, length), length);
  const within = marksOf(text, places, options).filter((mark) => mark.start >= start && mark.end <= end);
  return { start, end, text: text.slice(start, end), marks: within };
}

/**
 * The words that a part of a text touches; undefined where it touches no letter and no digit.
 *
 * @example
 * const { matches } = await reranker.explain(query, text);
 * for (const { document: { start, end } } of matches) if (start !== null && end !== null) show(wordsAt(text, { start, end }));
 */
export function wordsAt(text: string, { start, end }: TextRange): TextRange | undefined {
  const words = segments("word", text);
  let first: number | undefined;
  let last = start;
  for (let at = start; at < end; at = last) {
    const word = words.containing(at);
    if (!word) break;
    last = word.index + word.segment.length;
    if (word.isWordLike) first ??= word.index;
  }
  return first === undefined ? undefined : { start: wholeCharacter(text, first), end: characterEnd(text, last) };
}

function marksOf(text: string, places: readonly Place[], { most = MOST_MARKED, minSimilarity = -Infinity }: MarkOptions<never>): Mark[] {
  const found: Mark[] = [];
  for (const { similarity, ...place } of [...places].sort((a, b) => b.similarity - a.similarity)) {
    if (found.length >= most || (found.length > 0 && similarity < minSimilarity)) break;
    const words = wordsAt(text, place);
    if (words && !found.some((other) => other.start < words.end && words.start < other.end)) found.push({ ...words, similarity });
  }
  return joined(found.sort((a, b) => a.start - b.start));
}

/** Those that touch, as one. */
function joined(marks: readonly Mark[]): Mark[] {
  const all: Mark[] = [];
  for (const mark of marks) {
    const last = all.at(-1);
    if (last && mark.start <= last.end) Object.assign(last, { end: mark.end, similarity: Math.max(last.similarity, mark.similarity) });
    else all.push(mark);
  }
  return all;
}

/** Where what was asked for stands in the text: special tokens have no place on either side. */
function placesOf<T>(text: string, found: Explained<T>): Place[] {
  return matchesOf(found).flatMap(({ query, document: { start, end }, similarity }) => {
    const isPlace = start !== null && end !== null && start >= 0 && start < end && end <= text.length;
    return isPlace && query.start !== null && ASKS.test(query.token) ? [{ start, end, similarity }] : [];
  });
}

function matchesOf<T>(found: Explained<T>): readonly TokenMatch[] {
  if ("matches" in found) return found.matches;
  if (found.explanation) return found.explanation.matches;
  if (found.score === null) return [];
  throw invalid("the result has no explanation", NO_EXPLANATION);
}

function textOf<T>(found: Explained<T>, { text }: MarkOptions<T>): string {
  if (typeof found !== "object" || found === null) throw invalidKind(found, "the first argument", "a result or an explanation");
  const document = "document" in found ? (found.document as T | { text?: unknown }) : undefined;
  const own = () => (typeof document === "object" && document !== null ? (document as { text?: unknown }).text : document);
  const given = typeof text === "function" ? answerOf(() => text(document as T), "text: reading it") : (text ?? own());
  if (typeof given !== "string") throw invalidKind(given, "the text of the document", "a string", NO_TEXT);
  return given;
}

/** Of all parts of a length that one where the similarities sum up to most; the first such, and at the text's beginning where that holds as much. */
function bestOf(places: readonly Place[], length: number): TextRange {
  const inOrder = [...places].sort((a, b) => a.start - b.start);
  const weightFrom = (start: number) => inOrder.reduce((sum, place) => (place.start >= start && place.end <= start + length ? sum + Math.max(place.similarity, 0) : sum), 0);
  let best = { start: 0, weight: weightFrom(0) };
  for (const { start } of inOrder) {
    const weight = weightFrom(start);
    if (weight > best.weight) best = { start, weight };
  }
  if (best.start === 0) return { start: 0, end: 0 };
  const ends = inOrder.filter(({ start, end }) => start >= best.start && end <= best.start + length).map(({ end }) => end);
  return { start: best.start, end: Math.max(...ends) };
}

/** As much of the text around a part as there is room for, from word to word; no word is cut but one that is longer than the room. */
function around(text: string, part: TextRange, length: number): TextRange {
  const lead = Math.floor((length - (part.end - part.start)) * LEAD);
  const start = firstWord(text, Math.max(0, Math.min(part.start - lead, text.length - length)), part.start);
  return { start, end: lastWord(text, Math.min(text.length, start + length), part.end) };
}

/** Where the first whole word begins, if that is not behind `latest`. */
function firstWord(text: string, from: number, latest: number): number {
  const words = segments("word", text);
  let at = from;
  for (let word = words.containing(at); word && (word.index < from || word.segment.trim() === ""); word = words.containing(at)) at = word.index + word.segment.length;
  return wholeCharacter(text, from === 0 ? 0 : at <= latest ? at : from);
}

/** Where the last whole word ends, if that is not before `earliest`. */
function lastWord(text: string, to: number, earliest: number): number {
  const at = segments("word", text).containing(to)?.index ?? to;
  return wholeCharacter(text, at >= earliest ? earliest + text.slice(earliest, at).trimEnd().length : to);
}

/** The place, or before it that of the character which it is within. */
function wholeCharacter(text: string, at: number): number {
  return segments("grapheme", text).containing(at)?.index ?? at;
}

/** The place, or behind it the end of the character which it is within. */
function characterEnd(text: string, at: number): number {
  const character = segments("grapheme", text).containing(at);
  return character && character.index < at ? character.index + character.segment.length : at;
}

function segments(granularity: "word" | "grapheme", text: string): Intl.Segments {
  return new Intl.Segmenter("en", { granularity }).segment(text);
}
