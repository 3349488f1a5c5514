import { describe, expect, it } from "vitest";
import { tokenMatch } from "../../pkg/test/support/token-match.ts";
import { pieces, placeOf } from "../src/ranges.ts";

describe("placeOf", () => {
  it("is empty for tokens that the text does not hold", () => {
    const it = tokenMatch("a b", "b", 1);
    expect(placeOf(it)).toEqual({ start: 2, end: 3 });
    it.document.end = it.document.start;
    expect(placeOf(it)).toBeUndefined();
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
