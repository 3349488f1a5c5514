// Where does the text come from? From files made at build time: texts as JSON lines, vectors as safetensors.
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
    fetchFile(folder, "documents.jsonl").then((file) => lines<Paragraph>(file)),
    fetchFile(folder, "documents.safetensors").then((file) => readTensor(file, "embeddings")),
    fetchFile(folder, "queries.jsonl").then((file) => lines<Question>(file)),
    fetchFile(folder, "queries.safetensors").then((file) => readTensor(file, "embeddings")),
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

async function fetchFile(folder: URL, name: string): Promise<ArrayBuffer> {
  const response = await fetch(new URL(name, folder)).catch(() => undefined);
  if (response === undefined) {
    throw failure("NETWORK", `${name} could not be fetched.`, "Check the connection and try again.");
  }
  if (!response.ok) {
    const message = `The server answered ${response.status} for ${name}.`;
    throw failure("HTTP_STATUS", message, "The data folder is made by scripts/prepare-data.mjs.");
  }
  return response.arrayBuffer();
}

function lines<T>(file: ArrayBuffer): T[] {
  const text = new TextDecoder().decode(file);
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as T);
}

function checkRows(name: string, texts: number, rows: number | undefined): void {
  if (texts !== rows) {
    throw failure("DATA_MISMATCH", `${name}.jsonl has ${texts} lines and ${name}.safetensors ${rows ?? 0} rows.`);
  }
}
