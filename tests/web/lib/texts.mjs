// Real English texts in any number and length.
import { readFileSync } from "node:fs";
import { need } from "./paths.mjs";

/** More UTF-16 units than the default model's 256 tokens stand for in these paragraphs. */
const FULL = 1800;

/** Questions that people asked of the paragraphs, with the paragraph's id. */
export function questions(count) {
  const about = new Map(read("qrels.tsv").map((line) => line.split("\t").slice(0, 2)));
  return read("queries.jsonl").slice(0, count).map((line) => JSON.parse(line)).map(({ id, text }) => ({ id, text, relevant: about.get(id) }));
}

/** Paragraphs of an article after one another, at least so long, each text beginning with another one; after 1,065 texts they come again. */
export function longTexts(count, length = FULL) {
  const paragraphs = read("corpus.jsonl").map((line) => JSON.parse(line).text);
  return Array.from({ length: count }, (_, first) => {
    let text = "";
    for (let next = first; text.length < length; next++) text += `${paragraphs[next % paragraphs.length]} `;
    return text;
  });
}

function read(name) {
  return readFileSync(need(`tests/data/squad-dev-a/${name}`, "git checkout tests/data"), "utf8").split("\n").filter(Boolean);
}
