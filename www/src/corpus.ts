// Where does the text come from? From files made at build time: texts as JSON lines, vectors as safetensors.
import { fetchFile } from "./files.ts";
import { type Corpus, readTensor } from "./first-stage.ts";
import { failure } from "./problem.ts";
import type { Paragraph } from "./state.ts";

interface Question {
  id: string;
  text: string;
  relevant?: string;
}

export async function loadCorpus(folder: URL): Promise<Corpus> {
  const [paragraphs, vectors, questions, questionVectors] = await Promise.all([
    fetchData(folder, "documents.jsonl").then((file) => lines<Paragraph>(file)),
    fetchData(folder, "documents.safetensors").then((file) => readTensor(file, "embeddings")),
    fetchData(folder, "queries.jsonl").then((file) => lines<Question>(file)),
    fetchData(folder, "queries.safetensors").then((file) => readTensor(file, "embeddings")),
  ]);
  checkRows("documents", paragraphs.length, vectors.shape[0]);
  checkRows("queries", questions.length, questionVectors.shape[0]);
  const width = questionVectors.shape[1] ?? 0;
  const examples = questions.map((question, row) => ({
    ...question,
    vector: questionVectors.values.subarray(row * width, (row + 1) * width),
  }));
  return { paragraphs, vectors, examples };
}

const fetchData = (folder: URL, name: string) => fetchFile(folder, name, "The data folder is made by scripts/prepare-data.mjs.");

function lines<T>(file: ArrayBuffer): T[] {
  const text = new TextDecoder().decode(file);
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as T);
}

function checkRows(name: string, texts: number, rows: number | undefined): void {
  if (texts !== rows) {
    throw failure("DATA_MISMATCH", `${name}.jsonl has ${texts} lines and ${name}.safetensors ${rows ?? 0} rows.`);
  }
}
