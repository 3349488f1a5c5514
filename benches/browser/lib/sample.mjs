// The texts: the same query and documents for every contestant of a group.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";

const DOCUMENT_LENGTH = 115;
// A software WebGPU adapter takes seconds for a hundred tokens.
const WEBGPU = { documents: 8, length: 16 };

export async function samples({ paths, documents }) {
  const lengthOf = await tokenCounter(paths.model);
  const corpus = await jsonLines(join(paths.corpus, "corpus.jsonl"));
  const chosen = nearest(corpus, documents, lengthOf);
  const query = await firstQuestionAbout(chosen, paths.corpus);
  const cpu = sample(query, chosen, lengthOf);
  const short = chosen.slice(0, WEBGPU.documents).map(({ id, text }) => ({ id, text: cut(text, lengthOf) }));
  return { cpu, webgpu: sample(query, short, lengthOf) };
}

/** The `count` documents whose length is nearest to DOCUMENT_LENGTH, earlier ones first among equals, in corpus order. */
function nearest(corpus, count, lengthOf) {
  const distances = corpus.map(({ text }, index) => ({ index, distance: Math.abs(lengthOf(text) - DOCUMENT_LENGTH) }));
  distances.sort((a, b) => a.distance - b.distance || a.index - b.index);
  const kept = distances.slice(0, count).map(({ index }) => index);
  return kept.sort((a, b) => a - b).map((index) => corpus[index]);
}

/** The first question of the set that was written for one of the documents. */
async function firstQuestionAbout(documents, folder) {
  const ids = new Set(documents.map(({ id }) => id));
  const pairs = (await readFile(join(folder, "qrels.tsv"), "utf8")).split("\n").map((line) => line.split("\t"));
  const about = new Map(pairs.filter(([, document]) => ids.has(document)));
  const queries = await jsonLines(join(folder, "queries.jsonl"));
  const query = queries.find(({ id }) => about.has(id));
  if (!query) throw new Error("no question of the corpus is about the chosen documents");
  return { ...query, relevant: about.get(query.id) };
}

function sample(query, documents, lengthOf) {
  return {
    query: query.text,
    queryLength: lengthOf(query.text),
    relevant: documents.findIndex(({ id }) => id === query.relevant),
    ids: documents.map(({ id }) => id),
    documents: documents.map(({ text }) => text),
    lengths: documents.map(({ text }) => lengthOf(text)),
  };
}

/** The first words of a text, as many as fit into WEBGPU.length tokens. */
function cut(text, lengthOf) {
  const words = text.split(" ");
  let kept = words.length;
  while (kept > 1 && lengthOf(words.slice(0, kept).join(" ")) > WEBGPU.length) kept -= 1;
  return words.slice(0, kept).join(" ");
}

async function tokenCounter(model) {
  const json = async (name) => JSON.parse(await readFile(join(model, name), "utf8"));
  const tokenizer = new Tokenizer(await json("tokenizer.json"), await json("tokenizer_config.json"));
  return (text) => tokenizer.encode(text).ids.length;
}

async function jsonLines(file) {
  const text = await readFile(file, "utf8");
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}
