import type { TokenMatch } from "tabrank";
import { describe, expect, it } from "vitest";
import type { Placed } from "../src/stage-order.ts";
import { whyHere } from "../src/why.ts";

const TEXT = "Unbelievable rivers, here.";

const match = (token: string, start: number | null, end: number | null, share: number, asked: number | null = 0) =>
  ({ query: { token, start: asked, end: asked }, document: { token: "", start, end }, similarity: 1, share }) as TokenMatch;

function placed(rank: number, score: number, before: number, matches: TokenMatch[] = []): Placed {
  const document = { paragraph: { id: "p", title: "", text: TEXT }, rank: before, score: 0 };
  return { rank, score, result: { document, explanation: { score, matches } } } as unknown as Placed;
}

describe("whyHere", () => {
  it("names the matches that gave most, with whole words, the distance to the next and the place before", () => {
    const matches = [match("[CLS]", null, null, 0.5, null), match("?", 19, 20, 0.4), match("great", 2, 9, 0.1), match("river", 13, 19, 0.2), match("where", 21, 25, 0.15), match("is", 13, 19, 0.01)];
    expect(whyHere(placed(1, 9.5, 7, matches), placed(2, 9.25, 1), "dense search")).toBe(
      "First, as “river” found “rivers” (20.0 % of the score), “where” found “here” (15.0 % of the score), and “great” found “Unbelievable” (10.0 % of the score). Its score is 0.25 above that of place 2. The dense search had it at place 7.",
    );
  });

  it("says as much as there is to say", () => {
    expect(whyHere(placed(3, 1, 3), placed(4, 1, 1), "word search")).toBe("At place 3. Its score is that of place 4. The word search had it at place 3, too.");
    expect(whyHere(placed(1, 1, 1), undefined, "word search")).toBe("First. The word search had it at place 1, too.");
  });
});
