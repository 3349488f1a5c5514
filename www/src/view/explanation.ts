// Why does a result stand here? Its text as a heat map, the question's tokens, and the same as a table.
import type { Explanation, TextRange, TokenMatch } from "tabrank";
import { percent } from "../format.ts";
import { heatLevel, type HeatScale } from "../heat.ts";
import { pieces, placeOf } from "../ranges.ts";
import { el } from "./dom.ts";
import { matchTable } from "./match-table.ts";

interface Place extends TextRange {
  match: number;
}

const HINT = "Point at a question token, tap it, or move to it with the keyboard to see its match alone.";

export function explanationView(text: string, explanation: Explanation, scale: HeatScale): HTMLElement {
  const { matches } = explanation;
  if (matches.length === 0) return el("p", { class: "full-text", dir: "auto" }, text);
  const map = heatMap(text, matches, scale);
  const told = el("p", { class: "match-told" }, HINT);
  const chips = matches.map((match, i) => chip(match, scale, (on) => single(map, told, match, on ? i : undefined)));
  return el(
    "div",
    { class: "explanation" },
    el("p", { class: "aside" }, "MaxSim adds up, for each question token, the similarity of its single best match in the text. Nothing else in the text counts."),
    el("ul", { class: "chips", role: "list", "aria-label": "Question tokens" }, ...chips.map((item) => el("li", {}, item))),
    told,
    map,
    legend(scale),
    matchTable(text, matches),
  );
}

/** A match is shown by pointing, by focus, and by a tap, which gives focus. */
function chip({ query, similarity }: TokenMatch, scale: HeatScale, show: (on: boolean) => void): HTMLElement {
  const item = el("button", { type: "button", class: "chip heat", "data-level": heatLevel(scale, similarity) }, query.token);
  for (const type of ["pointerenter", "focus"]) item.addEventListener(type, () => show(true));
  for (const type of ["pointerleave", "blur"]) item.addEventListener(type, () => show(document.activeElement === item));
  return item;
}

function single(map: HTMLElement, told: HTMLElement, match: TokenMatch, index: number | undefined): void {
  map.toggleAttribute("data-single", index !== undefined);
  for (const part of map.querySelectorAll<HTMLElement>(".heat")) {
    const matches = part.dataset["matches"]!.split(" ");
    part.toggleAttribute("data-on", index !== undefined && matches.includes(String(index)));
  }
  const place = placeOf(match) === undefined ? ", which has no place in the text" : "";
  told.textContent =
    index === undefined
      ? HINT
      : `“${match.query.token}” matched “${match.document.token}”${place}: similarity ${match.similarity.toFixed(3)}, ${percent(match.share)} of the score.`;
}

function heatMap(text: string, matches: readonly TokenMatch[], scale: HeatScale): HTMLElement {
  const places = matches.flatMap((match, i): Place[] => {
    const place = placeOf(match);
    return place === undefined ? [] : [{ ...place, match: i }];
  });
  const nodes = pieces({ start: 0, end: text.length }, places).map(({ start, end, covering }) => {
    const words = text.slice(start, end);
    if (covering.length === 0) return words;
    const strongest = Math.max(...covering.map(({ match }) => matches[match]!.similarity));
    const indices = covering.map(({ match }) => match).join(" ");
    return el("span", { class: "heat", "data-level": heatLevel(scale, strongest), "data-matches": indices }, words);
  });
  return el("p", { class: "full-text heat-map", dir: "auto" }, ...nodes);
}

function legend({ low, high }: HeatScale): HTMLElement {
  const step = (level: number) => el("span", { class: "heat", "data-level": level }, "\u2002");
  return el(
    "p",
    { class: "aside legend" },
    `similarity ${low.toFixed(2)} `,
    el("span", { "aria-hidden": "true" }, ...[1, 2, 3, 4, 5].map(step)),
    ` ${high.toFixed(2)}, the same scale for all results of this question`,
  );
}
