// A reranked result: how far it moved, its scores, and the words that decided.
import { type Explanation, marks, passage, type RerankOutput, type RerankResult } from "tabrank";
import { type HeatScale, heatScale, levelFloor } from "../heat.ts";
import { rankChange } from "../rank-change.ts";
import { orderAfter, type Placed, type ShownStage } from "../stage-order.ts";
import type { Candidate } from "../state.ts";
import { whyHere } from "../why.ts";
import { el } from "./dom.ts";
import { explanationView } from "./explanation.ts";
import { markedText } from "./marked-text.ts";
import { figure, resultRow } from "./row.ts";

/** Words of weaker matches are not marked: most of them are small words that any text has. */
const MARKED_LEVEL = 4;

/** Characters that a row shows at least of what matched. */
const REACH = 170;

/** `first`: what the first stage is called. */
export function rerankedRows({ results }: RerankOutput<Candidate>, after: ShownStage, relevant: string | undefined, first: string): HTMLElement[] {
  const scale = heatScale(results.flatMap(({ explanation }) => explanation ?? []));
  const order = orderAfter(results, after);
  return order.map((placed, at) => rerankedRow(placed, after, scale, relevant, after === "late" ? whyHere(placed, order[at + 1], first) : undefined));
}

function rerankedRow({ result, rank, score }: Placed, after: ShownStage, scale: HeatScale, relevant: string | undefined, why: string | undefined): HTMLElement {
  const { paragraph } = result.document;
  const { text } = paragraph;
  const change = rankChange(result.document.rank, rank);
  const normalized = after === "late" ? [figure("normalized", result.normalizedScore.toFixed(3))] : [];
  return resultRow({
    rank,
    paragraph,
    relevant: paragraph.id === relevant,
    figures: [
      el("span", { class: `change ${change.direction}` }, change.text),
      figure("score", score.toFixed(2)),
      ...normalized,
    ],
    text: fromBestPassage(text, result.explanation, levelFloor(scale, MARKED_LEVEL)),
    action: "why?",
    details: () => rowDetails(text, result, scale, why),
  });
}

/** The text from where it answers on; how much of it fits is up to the page. */
function fromBestPassage(text: string, explanation: Explanation | undefined, minSimilarity: number): (Node | string)[] {
  if (explanation === undefined) return [text];
  const { start } = passage(explanation, REACH, { text });
  return markedText(text, { start, end: text.length }, marks(explanation, { text, minSimilarity }));
}

function rowDetails(text: string, { explanation, truncated }: RerankResult<Candidate>, scale: HeatScale, why: string | undefined): DocumentFragment {
  const details = new DocumentFragment();
  if (why !== undefined) details.append(el("p", { class: "why" }, why));
  if (truncated) details.append(el("p", { class: "note" }, "This text is longer than the model reads: the rest of it was left out."));
  details.append(
    explanation === undefined ? el("p", { class: "full-text", dir: "auto" }, text) : explanationView(text, explanation, scale),
  );
  return details;
}
