// The heat map in words: one line for each question token.
import { type TokenMatch, wordsAt } from "tabrank";
import { percent } from "../format.ts";
import { placeOf } from "../ranges.ts";
import { el } from "./dom.ts";

const COLUMNS = ["Question token", "Matched token", "Similarity", "Share of score"];

export function matchTable(text: string, matches: readonly TokenMatch[]): HTMLElement {
  return el(
    "table",
    {},
    el("caption", {}, "Best match of each question token"),
    el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...matches.map((match) => matchRow(text, match))),
  );
}

function matchRow(text: string, match: TokenMatch): HTMLElement {
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, match.query.token),
    el("td", { dir: "auto" }, matchedToken(text, match)),
    el("td", { class: "figure" }, match.similarity.toFixed(3)),
    el("td", { class: "figure" }, percent(match.share)),
  );
}

/** The token, and the word it is a part of where it is not a whole one. */
function matchedToken(text: string, match: TokenMatch): string {
  const place = placeOf(match);
  const word = place && wordsAt(text, place);
  if (place === undefined || word === undefined) return match.document.token;
  const whole = word.start === place.start && word.end === place.end;
  return whole ? text.slice(word.start, word.end) : `${match.document.token} in ${text.slice(word.start, word.end)}`;
}
