// A tiny corpus for the demo page, with a tiny checkpoint: the default model is too slow for a WebGPU adapter in software.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildIndex, encode } from "./native.mjs";
import { OUTPUT, need } from "./paths.mjs";

/** Ways to run a script where a text is taken for markup, for an address or for a template; `N` numbers them. */
const VECTORS = [
  "<script>alert('N')</script>",
  "<ScRiPt src=data:text/javascript,alert('N')></ScRiPt>",
  "<img src=x onerror=alert('N')>",
  "<img src='x' onerror='alert(`N`)' //",
  "<svg onload=alert('N')>",
  "<svg><script>alert('N')</script></svg>",
  "<svg><animate onbegin=alert('N') attributeName=x dur=1s>",
  "<a href=\"javascript:alert('N')\">oil</a>",
  "<a href=\"java&#x0A;script:alert('N')\" autofocus onfocus=alert('N')>oil</a>",
  "<iframe srcdoc=\"<script>parent.alert('N')</script>\"></iframe>",
  "<iframe src=\"javascript:alert('N')\"></iframe>",
  "<style>@import 'javascript:alert(N)'; * { display: none }</style>",
  "<link rel=stylesheet href=data:text/css,*{display:none} onload=alert('N')>",
  "<details open ontoggle=alert('N')>war",
  "<input autofocus onfocus=alert('N')>",
  "<video><source onerror=alert('N')></video>",
  "<body onload=alert('N')>",
  "<form action=javascript:alert('N')><button autofocus>oil</button></form>",
  "<math><mi xlink:href=\"javascript:alert('N')\">x</mi></math>",
  "<meta http-equiv=refresh content=\"0;url=javascript:alert('N')\">",
  "<base href=\"javascript:alert('N')//\">",
  "<object data=\"data:text/html,<script>alert('N')</script>\"></object>",
  "<template><img src=x onerror=alert('N')></template>",
  "{{constructor.constructor('alert(`N`)')()}} ${alert('N')} #{alert('N')}",
  "&lt;img src=x onerror=alert('N')&gt; &#60;script&#62;alert('N')&#60;/script&#62;",
];

/** What comes before, where a text stands in an attribute, an element of plain text or a comment. */
const ESCAPES = ["", "\">", "'></textarea></title></style></script>", "--></p></li></ol><h1>out</h1>"];

/** A hundred texts that are code wherever they are taken for anything but text. */
export const HOSTILE = ESCAPES.flatMap((escape) => VECTORS.map((vector) => escape + vector)).map((text, number) => text.replaceAll("N", String(number)));

const PLAIN = [
  "The crisis began in October, when the members of the group raised the price of oil.",
  "In the first year of the war the city had no water.",
  "The price of bread rose with the price of oil.",
  "A river runs through the city.",
  "The group had twelve members.",
  "Water is home to many.",
];

/** A checkpoint's folder in the repository. */
export const tinyModel = (fixture = "plain") => need(`tests/fixtures/${fixture}/checkpoint`, "git checkout tests/fixtures");

const plain = PLAIN.map((text, i) => ({ id: `p${i}`, title: `Paragraph ${i}`, text }));
const hostile = HOSTILE.map((text, i) => ({ id: `h${i}`, title: text, text }));
const paragraphs = [...plain, ...hostile];

export const QUESTIONS = [
  { id: "q0", text: "When did the oil crisis begin?", relevant: "p0" },
  { id: "q1", text: "<img src=x onerror=alert('question')> oil", relevant: "p2" },
];

/** Writes a folder for the page's `data` parameter, and gives the texts by paragraph. Test files run side by side, so each names its own. */
export function prepareTinyData(name, fixture) {
  const model = tinyModel(fixture);
  const folder = join(OUTPUT, "data", name);
  mkdirSync(folder, { recursive: true });
  for (const [file, kind, lines] of [["documents", "document", paragraphs], ["queries", "query", QUESTIONS]]) {
    writeFileSync(join(folder, `${file}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    encode(model, kind, lines.map(({ text }) => text), join(folder, `${file}.safetensors`));
  }
  buildIndex(model, paragraphs, join(folder, "index"));
  return new Map(paragraphs.map(({ id, text }) => [id, text]));
}
