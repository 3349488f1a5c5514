// The texts: the same query and documents for every contestant of a group.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { groups } from "./groups.mjs";

const DOCUMENT_LENGTH = 115;

/** By group: the same documents for all of them, or the beginnings of these, or of all of them in one. */
export async function samples(settings, names) {
  const corpus = await jsonLines(join(settings.paths.corpus, "corpus.jsonl"));
  const chosen = nearest(corpus, settings.documents, await tokenCounter(settings.paths.model));
  const query = await firstQuestionAbout(chosen, settings.paths.corpus);
  const wanted = Object.entries(groups(settings)).filter(([name]) => names.has(name));
  const pairs = wanted.map(async ([name, group]) => {
    const lengthOf = await tokenCounter(group.model.folder);
    const documents = documentsOf(group, chosen, lengthOf);
    return [name, { device: group.device, model: group.model.name, ...sample(query, documents, lengthOf) }];
  });
  return Object.fromEntries(await Promise.all(pairs));
}

function documentsOf({ documents, length, cut: isCut }, chosen, lengthOf) {
  if (!isCut) return chosen.slice(0, documents);
  const whole = length > DOCUMENT_LENGTH ? [{ id: "all", text: chosen.map(({ text }) => text).join(" ") }] : chosen;
  return whole.slice(0, documents).map(({ id, text }) => ({ id, text: cut(text, length, lengthOf) }));
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

/** The first words of a text, as many as fit into `length` tokens. */
export function cut(text, length, lengthOf) {
  const words = text.split(" ");
  let [fitting, most] = [1, words.length];
  while (fitting < most) {
    const middle = Math.ceil((fitting + most) / 2);
    const fits = lengthOf(words.slice(0, middle).join(" ")) <= length;
    [fitting, most] = fits ? [middle, most] : [fitting, middle - 1];
  }
  return words.slice(0, fitting).join(" ");
}

/** Of a model, special tokens included. */
export async function tokenCounter(model) {
  const json = async (name) => JSON.parse(await readFile(join(model, name), "utf8"));
  const tokenizer = new Tokenizer(await json("tokenizer.json"), await json("tokenizer_config.json"));
  return (text) => tokenizer.encode(text).ids.length;
}

export async function jsonLines(file) {
  const text = await readFile(file, "utf8");
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}
