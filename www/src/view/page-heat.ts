// A page with its heat map: where on it does each token of a question match?
import type { PlacedMatch, SimilarityMap } from "tabrank";
import { percent } from "../format.ts";
import { heatLevel, type HeatScale } from "../heat.ts";
import { el, svg } from "./dom.ts";

const HINT = "Each token’s best patch. Point at a token, tap it, or move to it with the keyboard to see how alike the whole page is to it.";

/** A token of the question, its best match and its map of the page. */
export interface HeatToken {
  token: string;
  match: PlacedMatch;
  map: SimilarityMap;
}

/** `width` and `height`: of the page, in the unit of its patches' rectangles. */
export function pageHeat(picture: HTMLElement, { width, height }: { width: number; height: number }, tokens: readonly HeatToken[]): HTMLElement[] {
  const most = Math.max(...tokens.map(({ match }) => match.similarity));
  const scale = { low: 0, high: most };
  const overlay = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const told = el("p", { class: "match-told" }, HINT);
  const apply = (token: HeatToken | undefined) => {
    overlay.replaceChildren(...(token === undefined ? bestPatches(tokens, scale) : heatMap(token, { width, height }, scale)));
    told.textContent = token === undefined ? HINT : matchTold(token);
  };
  apply(undefined);
  const chips = tokens.map((token) => chip(token.token, heatLevel(scale, token.match.similarity), (on) => apply(on ? token : undefined)));
  return [
    el("ul", { class: "chips", role: "list", "aria-label": "Question tokens" }, ...chips.map((item) => el("li", {}, item))),
    told,
    el("div", { class: "page-answer" }, el("figure", { class: "page-picture" }, picture, overlay), patchTable(tokens)),
  ];
}

/** A match is shown by pointing, by focus, and by a tap, which gives focus. */
function chip(token: string, level: number, show: (on: boolean) => void): HTMLElement {
  const item = el("button", { type: "button", class: "chip heat", "data-level": level }, token);
  for (const type of ["pointerenter", "focus"]) item.addEventListener(type, () => show(true));
  for (const type of ["pointerleave", "blur"]) item.addEventListener(type, () => show(document.activeElement === item));
  return item;
}

function bestPatches(tokens: readonly HeatToken[], scale: HeatScale): SVGElement[] {
  return tokens.flatMap(({ match: { patch, similarity } }) => (patch ? [rectangle(patch.rectangle, { "data-level": heatLevel(scale, similarity), class: "best" })] : []));
}

function heatMap({ match: { patch }, map: { rows, columns, values } }: HeatToken, page: { width: number; height: number }, scale: HeatScale): SVGElement[] {
  const [width, height] = [page.width / columns, page.height / rows];
  const patches = Array.from(values, (similarity, cell) => {
    const place = { x: (cell % columns) * width, y: Math.floor(cell / columns) * height, width, height };
    return rectangle(place, { "data-level": heatLevel(scale, similarity) });
  });
  return patch ? [...patches, rectangle(patch.rectangle, { class: "best" })] : patches;
}

function rectangle({ x, y, width, height }: { x: number; y: number; width: number; height: number }, attributes: Record<string, string | number>): SVGElement {
  return svg("rect", { x, y, width, height, ...attributes });
}

function matchTold({ token, match: { patch, similarity, share } }: HeatToken): string {
  const where = patch === undefined ? "no patch" : `the patch in ${placeOf(patch)}`;
  return `“${token}” matched ${where}: similarity ${similarity.toFixed(3)}, ${percent(share)} of the score. The shade of the others is their similarity to it.`;
}

/** The overview is the whole page once more, in few patches. */
function placeOf({ row, column, overview }: NonNullable<PlacedMatch["patch"]>): string {
  return `row ${row + 1}, column ${column + 1}${overview ? " of the overview" : ""}`;
}

const COLUMNS = ["Question token", "Patch", "Rectangle in pixels", "Similarity", "Share of score"];

/** The picture in words. */
function patchTable(tokens: readonly HeatToken[]): HTMLElement {
  const row = ({ token, match: { patch, similarity, share } }: HeatToken) => {
    const { x = 0, y = 0, width = 0, height = 0 } = patch?.rectangle ?? {};
    const [left, top, right, bottom] = [x, y, x + width, y + height].map((length) => Math.round(length * 10) / 10);
    const cells = patch ? [placeOf(patch), `${left}, ${top} to ${right}, ${bottom}`] : ["none", "none"];
    const figures = [...cells, similarity.toFixed(3), percent(share)].map((text) => el("td", { class: "figure" }, text));
    return el("tr", {}, el("th", { scope: "row" }, token), ...figures);
  };
  return el(
    "table",
    {},
    el("caption", {}, "Best patch of each question token"),
    el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...tokens.map(row)),
  );
}
