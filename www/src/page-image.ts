// A page as a picture, whose patches are scored without a model: its embeddings, and those of some questions, were made before.
import { EmbeddingList, type ScoredExplanation, Scorer } from "tabrank";
import { fetchFile } from "./files.ts";
import { failure } from "./problem.ts";

export interface PageImage {
  picture: URL;
  /** In the picture's own pixels. */
  width: number;
  height: number;
  questions: Question[];
  /** How the question at a place matches the page. */
  explain(question: number): Promise<ScoredExplanation>;
}

export interface Question {
  text: string;
  tokens: string[];
}

const HINT = "The folder page is made by tests/reference/demo_page.py, and is part of the repository.";

export async function openPageImage(folder: URL): Promise<PageImage> {
  const [page, queries, told, scorer] = await Promise.all([
    fetchFile(folder, "page.safetensors", HINT),
    fetchFile(folder, "questions.safetensors", HINT),
    fetchFile(folder, "questions.json", HINT),
    Scorer.load(),
  ]);
  const document = EmbeddingList.from(page).at(0);
  const embeddings = EmbeddingList.from(queries);
  const questions = JSON.parse(new TextDecoder().decode(told)) as Question[];
  if (document?.page === undefined || questions.length !== embeddings.length) throw failure("DATA_MISMATCH", "The page and its questions do not go together.", HINT);
  const [width, height] = document.page;
  const explain = (question: number) => scorer.explain(embeddings.at(question)?.embeddings as Float32Array, document);
  return { picture: new URL("page.png", folder), width, height, questions, explain };
}
