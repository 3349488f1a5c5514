// Is it the same output? Token vectors by cosine, rankings by their top ten.

const TOP = 10;
// Smallest mean cosine to f32. An int8 graph of the same weights reaches 0.99; far below that it is not the same computation.
export const SAME = { f32: 0.9999, fp32: 0.9999, q8: 0.95, q4: 0.9 };

/** Adds to every contestant how far it agrees with the first of its group that ran in f32, and what is wrong if it does not. */
export function compare(contestants, uploads) {
  const ran = contestants.filter((each) => !each.error);
  for (const contestant of ran) {
    const reference = ran.find((each) => each.group === contestant.group && each.exact);
    if (reference) contestant.agreement = agreement(reference, contestant, uploads);
  }
}

function agreement(reference, contestant, uploads) {
  const vectors = cosines(embeddings(uploads.get(reference.id)), embeddings(uploads.get(contestant.id)));
  const isSame = vectors.problem || vectors.mean >= SAME[contestant.dtype];
  return {
    with: reference.id,
    ...vectors,
    ...(!isSame && { problem: `other token vectors than ${reference.id} for the same texts` }),
    top: overlap(reference.cold.result.order, contestant.cold.result.order),
  };
}

function embeddings(bytes) {
  const { buffer } = new Uint8Array(bytes);
  const [dimension, documents] = new Uint32Array(buffer, 0, 2);
  const lengths = new Uint32Array(buffer, 8, documents);
  return { dimension, lengths, values: new Float32Array(buffer, 8 + 4 * documents) };
}

/** Mean and worst cosine over all tokens of all documents. */
export function cosines(a, b) {
  if (a.dimension !== b.dimension || a.lengths.join() !== b.lengths.join()) {
    return { problem: "other numbers of token vectors for the same texts" };
  }
  let sum = 0;
  let worst = 1;
  const tokens = a.values.length / a.dimension;
  for (let token = 0; token < tokens; token += 1) {
    const value = cosine(a.values, b.values, token * a.dimension, a.dimension);
    sum += value;
    worst = Math.min(worst, value);
  }
  return { tokens, mean: sum / tokens, worst };
}

function cosine(a, b, start, dimension) {
  let dot = 0;
  let left = 0;
  let right = 0;
  for (let k = start; k < start + dimension; k += 1) {
    dot += a[k] * b[k];
    left += a[k] * a[k];
    right += b[k] * b[k];
  }
  return dot / Math.sqrt(left * right);
}

function overlap(a, b) {
  const best = new Set(a.slice(0, TOP));
  return { shared: b.slice(0, TOP).filter((index) => best.has(index)).length, of: best.size };
}
