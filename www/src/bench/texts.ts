// Which texts are timed? Some of the page's own corpus that are of one length, so that machines compare.
import { fetchFile } from "../files.ts";
import type { Paragraph } from "../state.ts";

/** UTF-16 units of about 115 tokens. */
const LENGTH = 550;
const MOST = 100;

export interface Texts {
  query: string;
  documents: string[];
}

export async function loadTexts(folder: URL): Promise<Texts> {
  const [paragraphs, questions] = await Promise.all([read<Paragraph>(folder, "documents.jsonl"), read<{ text: string }>(folder, "queries.jsonl")]);
  return { query: questions[0]?.text ?? "", documents: nearest(paragraphs.map(({ text }) => text)) };
}

/** Those whose length is nearest, the nearest first, so that fewer of them are as alike. */
export function nearest(texts: readonly string[]): string[] {
  const distance = (text: string) => Math.abs(text.length - LENGTH);
  return [...texts].sort((a, b) => distance(a) - distance(b)).slice(0, MOST);
}

async function read<T>(folder: URL, name: string): Promise<T[]> {
  const file = await fetchFile(folder, name, "The data folder is made by scripts/prepare-data.mjs.");
  const lines = new TextDecoder().decode(file).split("\n");
  return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as T);
}
