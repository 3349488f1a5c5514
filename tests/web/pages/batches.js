// Whether a document's embeddings depend on the texts it is encoded with.
import { valuesOf } from "./case.js";

const ORDERS = [
  (texts) => texts,
  (texts) => texts.toReversed(),
  (texts) => texts.map((_, i) => texts[(i * 3) % texts.length]),
];

/** The furthest that a document's embeddings move when seven others, short and long, are encoded with it. */
export async function alone({ engine }, texts) {
  const single = new Map();
  for (const text of texts) single.set(text, (await encode(engine, [text]))[0]);
  let worst = 0;
  for (const order of ORDERS) {
    const ordered = order(texts);
    const together = await encode(engine, ordered);
    ordered.forEach((text, i) => (worst = Math.max(worst, furthest(together[i], single.get(text)))));
  }
  return { texts: single.size, lengths: [...single.values()].map((rows) => rows.length), worst };
}

async function encode(engine, texts) {
  const encoded = await engine.encode("document", texts, { pooling: "none" }, {});
  const { lengths, dimension } = encoded;
  const values = valuesOf(encoded);
  let end = 0;
  return [...lengths].map((length) => values.subarray(end, (end += length * dimension)));
}

function furthest(a, b) {
  return a.length === b.length ? a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i])), 0) : Number.NaN;
}
