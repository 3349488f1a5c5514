// Why does a result stand where it does? In sentences, for whoever sees no colours or reads no figures.
import { type TokenMatch, wordsAt } from "tabrank";
import { percent } from "./format.ts";
import { placeOf } from "./ranges.ts";
import type { Placed } from "./stage-order.ts";

/** Matches that are named. */
const NAMED = 3;

/** Question marks and the like match some word of any text. */
const SAYS = /[\p{L}\p{N}]/u;

const list = new Intl.ListFormat("en", { type: "conjunction" });

/** `next`: the result behind it. `first`: what the first stage is called. */
export function whyHere({ result, rank, score }: Placed, next: Placed | undefined, first: string): string {
  const { document, explanation } = result;
  const named = namedMatches(document.paragraph.text, explanation?.matches ?? []);
  const place = rank === 1 ? "First" : `At place ${rank}`;
  const sentences = [
    named.length > 0 ? `${place}, as ${list.format(named)}.` : `${place}.`,
    ...(next ? [aheadOf(score - next.score, next.rank)] : []),
    `The ${first} had it at place ${document.rank}${document.rank === rank ? ", too" : ""}.`,
  ];
  return sentences.join(" ");
}

function aheadOf(distance: number, rank: number): string {
  return distance > 0 ? `Its score is ${distance.toFixed(2)} above that of place ${rank}.` : `Its score is that of place ${rank}.`;
}

/** Those that gave most of the score, and have a place in the text. */
function namedMatches(text: string, matches: readonly TokenMatch[]): string[] {
  const found = matches.flatMap((match) => {
    const place = placeOf(match);
    const word = place && wordsAt(text, place);
    return word === undefined || match.query.start === null || !SAYS.test(match.query.token) ? [] : [{ match, word }];
  });
  const strongest = found.sort((a, b) => b.match.share - a.match.share).slice(0, NAMED);
  return strongest.map(({ match, word }) => `“${match.query.token}” found “${text.slice(word.start, word.end)}” (${percent(match.share)} of the score)`);
}
