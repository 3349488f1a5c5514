// A text with some of its words marked.
import type { TextRange } from "tabrank";
import { pieces } from "../ranges.ts";
import { el } from "./dom.ts";

export function markedText(text: string, part: TextRange, marks: readonly TextRange[]): (Node | string)[] {
  const nodes = pieces(part, marks).map(({ start, end, covering }) => {
    const words = text.slice(start, end);
    return covering.length > 0 ? el("mark", {}, words) : words;
  });
  return part.start > 0 ? ["… ", ...nodes] : nodes;
}
