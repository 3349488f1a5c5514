import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Explanation, marks, passage, type RerankResult, type TextRange, type TokenMatch, wordsAt } from "../../src/index.js";
import { tokenMatch as match } from "../support/token-match.js";

const explanation = (matches: TokenMatch[]): Explanation => ({ score: 1, queryTruncated: false, truncated: false, matches });
const result = <T>(document: T, matches: TokenMatch[]): RerankResult<T> => ({ index: 0, rank: 1, score: 1, normalizedScore: 1, stages: [], document, truncated: false, explanation: explanation(matches) });
const words = (text: string, ranges: readonly TextRange[]) => ranges.map(({ start, end }) => text.slice(start, end));

describe("words of a part", () => {
  test.each([
    ["Tesla severed ties", "vere", "severed"],
    ["the 𝒳-ray 😀 naïve", "ï", "naïve"],
    ["e\u0301tude one", "tude", "e\u0301tude"],
    ["price 1,234 only", "234", "1,234"],
    ["one two three", "e t", "one two"],
  ])("%s: %s is of %s", (text, part, word) => {
    const start = text.indexOf(part);
    expect(words(text, [wordsAt(text, { start, end: start + part.length })!])).toEqual([word]);
  });

  test("are no whole sentence of Chinese", () => {
    const { start, end } = wordsAt("我们今天去北京看朋友", { start: 5, end: 6 })!;
    expect(end - start).toBeLessThan(4);
  });

  test("are none where there is no letter and no digit", () => {
    expect(wordsAt("what?! 😀", { start: 4, end: 6 })).toBeUndefined();
    expect(wordsAt("😀", { start: 0, end: 2 })).toBeUndefined();
    expect(wordsAt("", { start: 3, end: 9 })).toBeUndefined();
  });
});

describe("marks", () => {
  const text = "In December 1878, Tesla left Graz and severed all relations with his family.";

  test("are of the best three matches, joined where they are of one word, in the order of their place", () => {
    const matches = [match(text, "Te", 0.9), match(text, "sla", 0.8), match(text, "family", 0.85), match(text, "Graz", 0.7), match(text, "all", 0.6)];
    const found = marks(result(text, matches));
    expect(words(text, found)).toEqual(["Tesla", "Graz", "family"]);
    expect(found.map(({ similarity }) => similarity)).toEqual([0.9, 0.7, 0.85]);
    expect(words(text, marks(result(text, matches), { most: 1 }))).toEqual(["Tesla"]);
  });

  test("that touch are one", () => {
    expect(marks(result("北京朋友", [match("北京朋友", "北京", 0.5), match("北京朋友", "朋友", 0.7)]))).toEqual([{ start: 0, end: 4, similarity: 0.7 }]);
  });

  test("leave out what is less similar, but never the best", () => {
    expect(words(text, marks(result(text, [match(text, "Tesla", 0.5), match(text, "all", 0.3)]), { minSimilarity: 0.6 }))).toEqual(["Tesla"]);
  });

  test("leave out special tokens and punctuation, on either side", () => {
    const special = match(text, "Graz", 0.99);
    special.query = { id: 101, token: "[CLS]", start: null, end: null, row: 0 };
    const nowhere = match(text, "Graz", 0.98);
    nowhere.document = { id: 102, token: "[SEP]", start: null, end: null, row: 0 };
    const matches = [special, nowhere, match(text, "all", 0.97, "?"), match(text, ".", 0.96), match(text, "left", 0.1)];
    expect(words(text, marks(result(text, matches)))).toEqual(["left"]);
  });

  test("are found in the text of any form of document", () => {
    const matches = [match(text, "Graz", 1)];
    for (const found of [marks(result(text, matches)), marks(result({ text }, matches)), marks(result({ body: text }, matches), { text: ({ body }) => body }), marks(explanation(matches), { text })]) {
      expect(words(text, found)).toEqual(["Graz"]);
    }
  });

  test("are none where nothing matched, or where there was no time to explain", () => {
    expect(marks(result("", []))).toEqual([]);
    const { explanation: _, ...unscored } = result(text, []);
    expect(marks({ ...unscored, score: null, normalizedScore: null })).toEqual([]);
  });

  test("pass over places that the text does not have", () => {
    const matches = [match(`${text} More.`, "More", 1), { ...match(text, "Graz", 0.9), document: { id: 1, token: "", start: -1, end: 3, row: 0 } }];
    expect(marks(result(text, matches))).toEqual([]);
  });

  test.each<[string, () => unknown, string]>([
    ["no explanation", () => marks({ ...result(text, []), explanation: undefined } as never), "the result has no explanation"],
    ["no text", () => marks(explanation([])), "the text of the document is undefined; expected a string"],
    ["another field", () => marks(result({ body: text }, [])), "the text of the document is undefined; expected a string"],
    ["nothing at all", () => marks(undefined as never), "the first argument is undefined; expected a result or an explanation"],
    ["no length", () => passage(result(text, []), 0), "length is no positive integer"],
  ])("%s is an error", (_, call, message) => {
    expect(call).toThrow(expect.objectContaining({ code: "INVALID_INPUT", message }));
  });
});

describe("a passage", () => {
  const text = `${"word ".repeat(60)}Tesla met his family there. ${"more ".repeat(40)}`;
  const of = (length: number, ...found: string[]) => passage(result(text, found.map((word) => match(text, word, 0.5))), length);

  test("is the text's beginning where that holds as much, or where nothing matched", () => {
    expect(of(100, "word")).toMatchObject({ start: 0, end: 99, text: "word ".repeat(20).trim() });
    expect(of(100)).toMatchObject({ start: 0, marks: [] });
    expect(of(10_000, "Tesla")).toMatchObject({ start: 0, text: text.trimEnd() });
  });

  test("holds the part with most of what matched, and some of what comes before it", () => {
    const found = of(60, "word", "Tesla", "family");
    expect(found.text).toMatch(/^(word )+Tesla met his family there\. (more ?)+$/);
    expect(found.text.length).toBeLessThanOrEqual(60);
    expect(words(text, found.marks)).toEqual(["Tesla", "family"]);
    expect(text.slice(found.start, found.end)).toBe(found.text);
  });

  test("prefers one strong match to a weak one", () => {
    const matches = [match(text, "word", 0.2), match(text, "family", 0.9)];
    expect(passage(result(text, matches), 40).text).toContain("family");
  });

  test("of a text without spaces is cut between characters", () => {
    const long = "x".repeat(400);
    const place = { ...match(long, "x", 1), document: { id: 1, token: "x", start: 300, end: 310, row: 0 } };
    expect(passage(result(long, [place]), 40)).toMatchObject({ start: 290, end: 330 });
  });

  test("is no longer than asked for, holds what it says, and cuts no character in two", () => {
    const alphabet = fc.constantFrom("a", "word ", " ", ". ", "\n", "é", "e\u0301", "😀", "👩‍👩‍👧", "🇩🇪", "北京", "ไทย", "\u0600", "\r\n", "각", "\ud83d");
    const text = fc.array(alphabet, { maxLength: 60 }).map((parts) => parts.join(""));
    const places = fc.array(fc.record({ start: fc.nat(90), size: fc.integer({ min: 1, max: 12 }), similarity: fc.double({ min: -1, max: 1, noNaN: true }) }), { maxLength: 8 });
    fc.assert(
      fc.property(text, places, fc.integer({ min: 1, max: 80 }), (text, places, length) => {
        const matches = places.map(({ start, size, similarity }) => ({ ...match("a", "a", similarity), document: { id: 1, token: "", start, end: start + size, row: 0 } }));
        const found = passage(result(text, matches), length);
        const all = marks(result(text, matches));
        const borders = new Set([...[...new Intl.Segmenter("en").segment(text)].map(({ index }) => index), text.length]);
        expect(found.text).toBe(text.slice(found.start, found.end));
        expect(found.text.length).toBeLessThanOrEqual(length);
        for (const { start, end } of [found, ...all]) expect([borders.has(start), borders.has(end), start <= end]).toEqual([true, true, true]);
        for (const mark of found.marks) expect(all).toContainEqual(mark);
      }),
      { numRuns: 2_000 },
    );
  }, 60_000);
});
