// A text with some of its words marked.
import { pieces, type Range } from "../ranges.ts";
import { el } from "./dom.ts";

export function markedText(text: string, part: Range, marks: readonly Range[]): (Node | string)[] {
  const nodes = pieces(part, marks).map(({ start, end, covering }) => {
    const words = text.slice(start, end);
    return covering.length > 0 ? el("mark", {}, words) : words;
  });
  return part.start > 0 ? ["… ", ...nodes] : nodes;
}
