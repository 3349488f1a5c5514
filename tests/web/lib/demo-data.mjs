// A tiny corpus for the demo page, with a tiny checkpoint: the default model is too slow for a WebGPU adapter in software.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "./native.mjs";
import { OUTPUT, need } from "./paths.mjs";

/** Texts that are code wherever they are taken for markup. */
export const HOSTILE = [
  "<script>alert('script')</script>",
  "<img src=x onerror=alert('img')>",
  "\"><svg onload=alert('svg')>",
  "<a href=\"javascript:alert('link')\">oil</a>",
  "<iframe srcdoc=\"<script>parent.alert('frame')</script>\"></iframe>",
  "<style>* { display: none }</style>",
  "<details open ontoggle=alert('toggle')>war",
  "{{constructor.constructor('alert(1)')()}} ${alert('template')}",
  "&lt;b&gt; &#60;b&#62; </p></li></ol><h1>out</h1>",
];

const PLAIN = [
  "The crisis began in October, when the members of the group raised the price of oil.",
  "In the first year of the war the city had no water.",
  "The price of bread rose with the price of oil.",
  "A river runs through the city.",
  "The group had twelve members.",
  "Water is home to many.",
];

/** The checkpoint's folder in the repository. */
export const TINY_MODEL = "tests/fixtures/plain/checkpoint";

const paragraphs = [...PLAIN, ...HOSTILE].map((text, i) => ({ id: `p${i}`, title: i < PLAIN.length ? `Paragraph ${i}` : text, text }));
export const QUESTIONS = [
  { id: "q0", text: "When did the oil crisis begin?", relevant: "p0" },
  { id: "q1", text: "<img src=x onerror=alert('question')> oil", relevant: "p2" },
];

/** Writes a folder for the page's `data` parameter, and gives the texts by paragraph. Test files run side by side, so each names its own. */
export function prepareTinyData(name) {
  const model = need(TINY_MODEL, "git checkout tests/fixtures");
  const folder = join(OUTPUT, "data", name);
  mkdirSync(folder, { recursive: true });
  for (const [file, kind, lines] of [["documents", "document", paragraphs], ["queries", "query", QUESTIONS]]) {
    writeFileSync(join(folder, `${file}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    encode(model, kind, lines.map(({ text }) => text), join(folder, `${file}.safetensors`));
  }
  return new Map(paragraphs.map(({ id, text }) => [id, text]));
}
