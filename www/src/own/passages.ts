// Into which pieces is a text cut that is no list of texts? Paragraphs, and of long ones groups of sentences: models read some hundred words.

/** UTF-16 units; a sentence that is longer stays whole up to twice as many. */
const LENGTH = 1000;

const sentences = new Intl.Segmenter(undefined, { granularity: "sentence" });

export interface Passage {
  /** Of the text, from 1, where the passage's paragraph begins. */
  line: number;
  text: string;
}

/** A blank line ends a paragraph. */
export function passagesOf(text: string): Passage[] {
  const passages: Passage[] = [];
  let paragraph: string[] = [];
  let first = 1;
  const end = () => {
    const joined = paragraph.join("\n").trim();
    for (const part of joined === "" ? [] : parts(joined)) passages.push({ line: first, text: part });
    paragraph = [];
  };
  for (const [at, line] of text.split(/\r\n|\r|\n/).entries()) {
    if (line.trim() === "") end();
    else {
      if (paragraph.length === 0) first = at + 1;
      paragraph.push(line);
    }
  }
  end();
  return passages;
}

function parts(text: string): string[] {
  const found: string[] = [];
  let part = "";
  for (const { segment } of sentences.segment(text)) {
    for (let at = 0; at < segment.length; at += 2 * LENGTH) {
      const piece = segment.slice(at, at + 2 * LENGTH);
      if (part !== "" && part.length + piece.length > LENGTH) {
        found.push(part.trim());
        part = "";
      }
      part += piece;
    }
  }
  return [...found, part.trim()].filter((each) => each !== "");
}
