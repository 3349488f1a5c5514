// A page of a model with a vision tower, encoded from its pixels, beside the same model in onnxruntime-web, who is given the tiles cut and the ids made.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { cosines, SAME } from "./compare.mjs";
import { median } from "./format.mjs";

/** What `--only` calls it. */
export const PAGES = "pages";
/** As random_page_checkpoint.py makes them. */
const MODEL = "colmodernvbert";
export const PAGE = "A page of 620 × 877 pixels in five tiles of 512, of the shape of ColModernVBERT, one thread";

/** Each type of ours, and its peer behind it. */
function contestants({ paths }) {
  const ours = (numbers, model, needs) => ({ id: `page:tabrank-${numbers}`, numbers, kind: "tabrank", options: { model }, needs });
  const peer = (id, numbers, suffix) => ({ id: `page:ort-${id}`, numbers, kind: "ort", options: { model: `/onnx/${MODEL}`, suffix }, needs: join(paths.onnx, MODEL, "page.json") });
  return [
    ours("f32", `/page-models/${MODEL}/`, join(paths.pages, MODEL, "page.json")),
    peer("fp32", "f32", ""),
    ours("q8", `/bundles/${MODEL}/q8/`, join(paths.bundles, MODEL, "q8", "tabrank.json")),
    peer("q8", "q8", "_quantized"),
  ];
}

/** `[{ id, numbers, kind, facts, warm: [{ time, vision, query }], agreement }]` in milliseconds, in turns; the first turn warms up. */
export async function timePages(browser, server, settings) {
  const sessions = [];
  for (const contestant of contestants(settings)) {
    const { id, kind, options, needs } = contestant;
    if (!existsSync(needs)) throw new Error(`${PAGES}: ${id} needs ${needs}, which is not there`);
    process.stderr.write(`${PAGES}: ${id}\n`);
    const { page, close } = await openPage(browser, server.origin);
    const facts = await page.evaluate(load, [kind, options, `/onnx/${MODEL}`]);
    const first = await page.evaluate(run);
    sessions.push({ ...contestant, facts, embeddings: Float32Array.from(first.embeddings), warm: [], page, close });
  }
  for (let round = 0; round < settings.runs; round += 1) {
    for (const { page, warm } of sessions) {
      const { embeddings: _, ...times } = await page.evaluate(run);
      warm.push(times);
    }
  }
  for (const { close } of sessions) await close();
  const reference = sessions.find(({ kind, numbers }) => kind === "ort" && numbers === "f32");
  return sessions.map(({ id, numbers, kind, facts, warm, ...own }) => ({ id, numbers, kind, facts, warm, agreement: agreement(reference, { numbers, facts, ...own }) }));
}

/** With the graph in f32, which was held against PyTorch when it was made. */
function agreement(reference, each) {
  const rows = ({ embeddings: values, facts: { dimension } }) => ({ values, dimension, lengths: [values.length / dimension] });
  const found = cosines(rows(reference), rows(each));
  const isSame = found.problem || found.mean >= SAME[each.numbers];
  return { with: reference.id, ...found, ...(!isSame && { problem: `other embeddings of the page than ${reference.id}` }) };
}

/** The median of a part of the time; undefined where nobody can tell. */
export function middlePart({ warm }, name) {
  const known = warm.map((run) => run[name]).filter((value) => value !== undefined && value !== null);
  return known.length ? median(known) : undefined;
}

async function load([kind, options, page]) {
  globalThis.pages = await import("/bench/pages.js");
  return globalThis.pages.load(kind, options, page);
}

async function run() {
  const { embeddings, ...times } = await globalThis.pages.run();
  return { ...times, embeddings: [...embeddings] };
}
