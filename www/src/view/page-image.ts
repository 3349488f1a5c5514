// The page as a picture: where on it does each token of a question match? Fetched when it is opened, not before.
import type { PlacedMatch, ScoredExplanation, SimilarityMap } from "tabrank";
import { percent } from "../format.ts";
import { heatLevel, type HeatScale } from "../heat.ts";
import { openPageImage, type PageImage, type Question } from "../page-image.ts";
import { asProblem } from "../problem.ts";
import { button, byId, el, fill, svg } from "./dom.ts";
import { problemNote } from "./problem.ts";

const HINT = "Each token’s best patch. Point at a token, tap it, or move to it with the keyboard to see how alike the whole page is to it.";

export function mountPageImage(folder: URL): void {
  const details = byId<HTMLDetailsElement>("page-image");
  const body = byId("page-image-body");
  let begun = false;
  const open = async () => {
    begun = true;
    fill(body, el("p", { class: "aside" }, "Fetching the page…"));
    try {
      await show(body, await openPageImage(folder));
    } catch (error) {
      fill(body, problemNote("The page could not be shown.", asProblem(error), () => void open()));
    }
  };
  details.addEventListener("toggle", () => {
    if (details.open && !begun) void open();
  });
}

async function show(body: HTMLElement, image: PageImage): Promise<void> {
  const answer = el("div", { class: "explanation" });
  const choices = image.questions.map(({ text }, place) => button(text, () => void choose(place)));
  const choose = async (place: number) => {
    choices.forEach((choice, other) => choice.setAttribute("aria-pressed", String(other === place)));
    const explanation = await image.explain(place);
    // Another may have been chosen meanwhile.
    if (choices[place]?.ariaPressed === "true") fill(answer, ...answerView(image, image.questions[place]!, explanation));
  };
  fill(body, el("ul", { class: "page-questions", role: "list", "aria-label": "Questions to the page" }, ...choices.map((choice) => el("li", {}, choice))), answer);
  await choose(0);
}

function answerView(image: PageImage, { tokens }: Question, { matches, maps = [] }: ScoredExplanation): HTMLElement[] {
  const most = Math.max(...matches.map(({ similarity }) => similarity));
  const scale = { low: 0, high: most };
  const overlay = svg("svg", { viewBox: `0 0 ${image.width} ${image.height}`, "aria-hidden": "true" });
  const told = el("p", { class: "match-told" }, HINT);
  const apply = (token: number | undefined) => {
    overlay.replaceChildren(...(token === undefined ? bestPatches(matches, scale) : heatMap(matches[token]!, maps[token]!, image, scale)));
    told.textContent = token === undefined ? HINT : matchTold(tokens[token]!, matches[token]!);
  };
  apply(undefined);
  const chips = matches.map(({ similarity }, token) => chip(tokens[token]!, heatLevel(scale, similarity), (on) => apply(on ? token : undefined)));
  const picture = el("img", { src: image.picture.href, width: image.width, height: image.height, alt: "A printed page of text about Nikola Tesla, with the headings Experiments and Later life" });
  return [
    el("ul", { class: "chips", role: "list", "aria-label": "Question tokens" }, ...chips.map((item) => el("li", {}, item))),
    told,
    el("div", { class: "page-answer" }, el("figure", { class: "page-picture" }, picture, overlay), patchTable(tokens, matches)),
  ];
}

/** A match is shown by pointing, by focus, and by a tap, which gives focus. */
function chip(token: string, level: number, show: (on: boolean) => void): HTMLElement {
  const item = el("button", { type: "button", class: "chip heat", "data-level": level }, token);
  for (const type of ["pointerenter", "focus"]) item.addEventListener(type, () => show(true));
  for (const type of ["pointerleave", "blur"]) item.addEventListener(type, () => show(document.activeElement === item));
  return item;
}

function bestPatches(matches: readonly PlacedMatch[], scale: HeatScale): SVGElement[] {
  return matches.flatMap(({ patch, similarity }) => (patch ? [rectangle(patch.rectangle, { "data-level": heatLevel(scale, similarity), class: "best" })] : []));
}

function heatMap({ patch }: PlacedMatch, { rows, columns, values }: SimilarityMap, page: PageImage, scale: HeatScale): SVGElement[] {
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

function matchTold(token: string, { patch, similarity, share }: PlacedMatch): string {
  const where = patch === undefined ? "no patch" : `the patch in row ${patch.row + 1}, column ${patch.column + 1}`;
  return `“${token}” matched ${where}: similarity ${similarity.toFixed(3)}, ${percent(share)} of the score. The shade of the others is their similarity to it.`;
}

const COLUMNS = ["Question token", "Patch", "Rectangle in pixels", "Similarity", "Share of score"];

/** The picture in words. */
function patchTable(tokens: readonly string[], matches: readonly PlacedMatch[]): HTMLElement {
  const row = ({ patch, similarity, share }: PlacedMatch, token: number) => {
    const { x = 0, y = 0, width = 0, height = 0 } = patch?.rectangle ?? {};
    const cells = patch ? [`row ${patch.row + 1}, column ${patch.column + 1}`, `${x}, ${y} to ${x + width}, ${y + height}`] : ["none", "none"];
    const figures = [...cells, similarity.toFixed(3), percent(share)].map((text) => el("td", { class: "figure" }, text));
    return el("tr", {}, el("th", { scope: "row" }, tokens[token]!), ...figures);
  };
  return el(
    "table",
    {},
    el("caption", {}, "Best patch of each question token"),
    el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...matches.map(row)),
  );
}
