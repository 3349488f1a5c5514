// One result: rank, title, figures, the beginning of its text, and what opens below it.
import type { Paragraph } from "../state.ts";
import { el, uniqueId } from "./dom.ts";

export interface RowParts {
  rank: number;
  paragraph: Paragraph;
  /** Whether the question was written for this paragraph. */
  relevant: boolean;
  figures: (Node | string)[];
  text: (Node | string)[];
  /** What the title's button offers beside the title. */
  action: string;
  /** Built when the row is opened for the first time. */
  details: () => Node;
}

export function resultRow(parts: RowParts): HTMLLIElement {
  const { rank, paragraph, relevant } = parts;
  const text = el("p", { class: "row-text", dir: "auto" }, ...parts.text);
  const details = el("div", { class: "row-details", id: uniqueId("details"), hidden: true });
  return el(
    "li",
    { class: "row", "data-paragraph": paragraph.id, "data-relevant": relevant },
    el("span", { class: "row-rank" }, String(rank)),
    el(
      "div",
      { class: "row-body" },
      el("h3", {}, opener(parts, text, details)),
      el("p", { class: "row-figures" }, ...parts.figures, ...(relevant ? [el("span", { class: "tag" }, "holds the answer")] : [])),
      text,
      details,
    ),
  );
}

function opener(parts: RowParts, text: HTMLElement, details: HTMLElement): HTMLButtonElement {
  const title = el("span", { class: "row-title", dir: "auto" }, parts.paragraph.title);
  const control = el(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": details.id },
    title,
    " ",
    el("span", { class: "row-action" }, parts.action),
  );
  control.addEventListener("click", () => {
    const open = details.hidden;
    if (open && !details.hasChildNodes()) details.append(parts.details());
    control.ariaExpanded = String(open);
    details.hidden = !open;
    text.hidden = open;
  });
  return control;
}

export function figure(name: string, value: string): HTMLElement {
  return el("span", { class: "figure" }, `${name} `, el("b", {}, value));
}
