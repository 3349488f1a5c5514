import type { TokenMatch } from "tabrank";
import { describe, expect, it } from "vitest";
import { bestWords, mergeRanges, pieces, placeOf, snippet, wordsAround } from "../src/ranges.ts";

function match(text: string, word: string, similarity: number, query = "token"): TokenMatch {
  const start = text.indexOf(word);
  return {
    query: { id: 1, token: query, start: 0, end: query.length, row: 0 },
    document: { id: 2, token: word, start, end: start + word.length, row: 0 },
    similarity,
    share: 0,
  };
}

const words = (text: string, ranges: { start: number; end: number }[]) => ranges.map((r) => text.slice(r.start, r.end));

describe("mergeRanges", () => {
  it("joins ranges that overlap or touch and sorts the others", () => {
    const merged = mergeRanges([{ start: 9, end: 12 }, { start: 0, end: 3 }, { start: 3, end: 5 }, { start: 4, end: 6 }]);
    expect(merged).toEqual([{ start: 0, end: 6 }, { start: 9, end: 12 }]);
  });

  it("leaves its input alone", () => {
    const ranges = [{ start: 0, end: 2 }, { start: 1, end: 4 }];
    mergeRanges(ranges);
    expect(ranges).toEqual([{ start: 0, end: 2 }, { start: 1, end: 4 }]);
  });
});

describe("wordsAround", () => {
  it.each([
    ["Tesla severed ties", "vere", "severed"],
    ["the 𝒳-ray 😀 naïve", "ï", "naïve"],
    ["e\u0301tude one", "tude", "e\u0301tude"],
    ["price 1,234 only", "234", "1,234"],
  ])("%s: %s is a part of %s", (text, part, word) => {
    const start = text.indexOf(part);
    const range = wordsAround(text, { start, end: start + part.length });
    expect(range && text.slice(range.start, range.end)).toBe(word);
  });

  it("does not take a whole Chinese sentence for one word", () => {
    const text = "我们今天去北京看朋友";
    const range = wordsAround(text, { start: 5, end: 6 })!;
    expect(range.end - range.start).toBeLessThan(4);
  });

  it("finds nothing where there is no letter or digit", () => {
    expect(wordsAround("what?! 😀", { start: 4, end: 6 })).toBeUndefined();
    expect(wordsAround("😀", { start: 0, end: 2 })).toBeUndefined();
  });
});

describe("bestWords", () => {
  const text = "In December 1878, Tesla left Graz and severed all relations with his family.";

  it("takes the best three, joins sub-words, and gives them in order of their place", () => {
    const matches = [match(text, "Te", 0.9), match(text, "sla", 0.8), match(text, "family", 0.85), match(text, "Graz", 0.7), match(text, "all", 0.6)];
    expect(words(text, bestWords(text, matches, 0))).toEqual(["Tesla", "Graz", "family"]);
  });

  it("leaves out what stays below the floor, but never the best", () => {
    const matches = [match(text, "Tesla", 0.5), match(text, "all", 0.3)];
    expect(words(text, bestWords(text, matches, 0.6))).toEqual(["Tesla"]);
  });

  it("leaves out special tokens and punctuation, on either side", () => {
    const special = match(text, "Graz", 0.99);
    special.query = { id: 101, token: "[CLS]", start: null, end: null, row: 0 };
    const nowhere = match(text, "Graz", 0.98);
    nowhere.document = { id: 102, token: "[SEP]", start: null, end: null, row: 0 };
    const matches = [special, nowhere, match(text, "all", 0.97, "?"), match(text, ".", 0.96), match(text, "left", 0.1)];
    expect(words(text, bestWords(text, matches, 0))).toEqual(["left"]);
  });

  it("marks nothing in a document without matches", () => {
    expect(bestWords("", [], 0)).toEqual([]);
  });
});

describe("placeOf", () => {
  it("is empty for tokens that the text does not hold", () => {
    const it = match("a b", "b", 1);
    expect(placeOf(it)).toEqual({ start: 2, end: 3 });
    it.document.end = it.document.start;
    expect(placeOf(it)).toBeUndefined();
  });
});

describe("snippet", () => {
  const text = `${"word ".repeat(60)}Tesla met his family there. ${"more ".repeat(40)}`;
  const range = (word: string) => ({ start: text.indexOf(word), end: text.indexOf(word) + word.length });

  it("starts with the text where the marks are near its start", () => {
    expect(snippet(text, [{ start: 5, end: 9 }])).toEqual({ start: 0, end: text.length });
    expect(snippet(text, [])).toEqual({ start: 0, end: text.length });
  });

  it("starts at a word shortly before the marks where they are far", () => {
    const { start } = snippet(text, [range("family"), range("Tesla")]);
    expect(text[start - 1]).toBe(" ");
    expect(range("Tesla").start - start).toBeGreaterThanOrEqual(0);
    expect(range("Tesla").start - start).toBeLessThanOrEqual(45);
  });

  it("prefers the place with most of the marks", () => {
    expect(snippet(text, [{ start: 0, end: 4 }, range("Tesla"), range("family")]).start).toBeGreaterThan(200);
  });

  it("copes with a text without spaces", () => {
    const long = "x".repeat(400);
    expect(snippet(long, [{ start: 300, end: 310 }])).toEqual({ start: 300, end: 400 });
  });
});

describe("pieces", () => {
  it("cuts wherever an item begins or ends", () => {
    const a = { start: 2, end: 6 };
    const b = { start: 4, end: 8 };
    expect(pieces({ start: 0, end: 10 }, [a, b])).toEqual([
      { start: 0, end: 2, covering: [] },
      { start: 2, end: 4, covering: [a] },
      { start: 4, end: 6, covering: [a, b] },
      { start: 6, end: 8, covering: [b] },
      { start: 8, end: 10, covering: [] },
    ]);
  });

  it("gives back exactly the part, whatever lies outside of it", () => {
    const cut = pieces({ start: 5, end: 9 }, [{ start: 0, end: 6 }, { start: 20, end: 30 }]);
    expect(cut.map(({ start, end }) => [start, end])).toEqual([[5, 6], [6, 9]]);
    expect(cut[1]!.covering).toEqual([]);
  });

  it("has nothing for an empty text", () => {
    expect(pieces({ start: 0, end: 0 }, [])).toEqual([]);
  });
});
