// Holds an engine against the reference, stage by stage. Each function gives what it compared, the worst difference, and what differed.
import { valuesOf } from "./case.js";

const KINDS = { query: "queries", document: "documents" };

class Report {
  compared = 0;
  worst = 0;
  differing = [];

  equal(found, expected, place) {
    this.compared++;
    if (JSON.stringify(found) !== JSON.stringify(expected)) this.differing.push(`${place}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  }

  near(difference, tolerance, place) {
    this.compared++;
    this.worst = Math.max(this.worst, difference);
    // Not `>`: a difference that is NaN has to fail too.
    if (!(difference < tolerance)) this.differing.push(`${place}: ${difference}`);
  }
}

/** Ids, masks, truncation, offsets; embeddings, and the hidden states of those texts that have any. */
export async function compareTexts({ engine, expected, tensor }, texts, tolerance) {
  const tokens = new Report();
  const states = new Report();
  const embeddings = new Report();
  for (const [kind, index, entry] of chosen(expected, texts)) {
    const inspection = await engine.inspect(kind, entry.text);
    compareTokens(tokens, inspection, entry, `${kind} ${index} ${JSON.stringify(entry.text)}`);
    inspection.hiddenStates.forEach((state, layer) => {
      const reference = tensor(`${kind}.${index}.hidden.${layer}`);
      if (reference) states.near(furthest(state, reference) / largest(reference), tolerance, `${kind} ${index} layer ${layer}`);
    });
    embeddings.near(furthest(inspection.embeddings, tensor(`${kind}.${index}.embeddings`)), tolerance, `embeddings of ${kind} ${index}`);
  }
  return { tokens, states, embeddings };
}

/** Embeddings and mean-pooled vectors, each text encoded alone. */
export async function compareEncodings({ engine, expected, tensor }, texts, tolerance) {
  const report = new Report();
  for (const [kind, index, { text }] of chosen(expected, texts)) {
    if (kind === "query" && isBlank(text)) continue;
    for (const [pooling, name] of [["none", "embeddings"], ["mean", "pooled"]]) {
      const values = valuesOf(await engine.encode(kind, [text], { pooling }, {}));
      report.near(furthest(values, tensor(`${kind}.${index}.${name}`)), tolerance, `${name} of ${kind} ${index}`);
    }
  }
  return report;
}

/** Scores of the documents against each of the queries. */
export async function compareScores({ engine, expected }, queries, documents, tolerance) {
  const report = new Report();
  const places = documents ?? expected.documents.map((_, index) => index);
  const texts = places.map((index) => expected.documents[index].text);
  for (const [query, { text }] of expected.queries.entries()) {
    if (isBlank(text) || (queries && !queries.includes(query))) continue;
    const { indices, scores } = await engine.rerank(text, texts, {}, {});
    indices.forEach((index, place) => {
      const score = expected.scores[query][places[index]];
      if (score === null) return;
      report.near(relative(scores[place], score), tolerance, `score of query ${query} with document ${places[index]}`);
    });
  }
  return report;
}

/** Ids, types, what the head gives and scores of a cross-encoder's pairs, each computed alone, and the scores of a list; of the documents at some places, or all. */
export async function comparePairs({ engine, expected }, documents, tolerance) {
  const tokens = new Report();
  const scores = new Report();
  const places = documents ?? [...expected.documents.keys()];
  for (const [row, query] of expected.queries.entries()) {
    for (const index of places) {
      const [pair, place] = [expected.pairs[row][index], `query ${row} with document ${index}`];
      const { ids, types, logit, score } = await engine.inspectPair(query, expected.documents[index]);
      tokens.equal([...ids], pair.ids, `ids of ${place}`);
      tokens.equal([...types], pair.types, `types of ${place}`);
      scores.near(relative(logit, pair.logit), tolerance, `what the head gives of ${place}`);
      scores.near(relative(score, pair.score), tolerance, `score of ${place}`);
    }
    const list = await engine.rerank(query, places.map((index) => expected.documents[index]), {}, {});
    list.indices.forEach((index, place) => {
      const { score } = expected.pairs[row][places[index]];
      scores.near(relative(list.scores[place], score), tolerance, `score in the list of query ${row} with document ${places[index]}`);
    });
  }
  return { tokens, scores };
}

function relative(found, expected) {
  return Math.abs(found - expected) / Math.max(Math.abs(expected), 1);
}

/** Those whose index is in `texts[kind]`, or all. */
function chosen(expected, texts) {
  return Object.entries(KINDS).flatMap(([kind, plural]) =>
    [...expected[plural].entries()].filter(([index]) => !texts || texts[kind].includes(index)).map(([index, entry]) => [kind, index, entry]),
  );
}

function compareTokens(report, inspection, entry, place) {
  report.equal([...inspection.ids], entry.ids, `ids of ${place}`);
  report.equal([...inspection.attentionMask], entry.attention_mask, `attention mask of ${place}`);
  report.equal([...inspection.embeddingMask], entry.embedding_mask, `embedding mask of ${place}`);
  report.equal(inspection.truncated, entry.truncated, `truncation of ${place}`);
  const offsets = [...inspection.starts].map((start, token) => [start, inspection.ends[token]]);
  report.equal(offsets, entry.offsets.map((range) => utf16(entry.text, range)), `offsets of ${place}`);
}

/** The reference counts code points. */
function utf16(text, range) {
  const points = [...text];
  return range.map((end) => points.slice(0, end).join("").length);
}

function isBlank(text) {
  return text.trim() === "";
}

function furthest(found, expected) {
  if (found.length !== expected?.length) return Number.NaN;
  return found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i])), 0);
}

/** At least 1. States that only grow by what is added to them are rounded as coarsely as they are large. */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
}
