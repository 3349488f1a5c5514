// A column of a table may go without a head. Its cell is no header then: screen readers would announce one that says nothing.
import type { MarkdownRenderer } from "vitepress";

export function emptyHeads(markdown: MarkdownRenderer) {
  markdown.core.ruler.push("empty-heads", ({ tokens }) => {
    tokens.forEach((token, index) => {
      if (token.type === "th_open" && tokens[index + 1]?.content === "") token.tag = tokens[index + 2]!.tag = "td";
    });
  });
}
