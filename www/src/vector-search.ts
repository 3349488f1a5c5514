// Candidates by one vector for each paragraph, all of them in the page.
import type { Reranker } from "tabrank";
import type { FindOptions, Finder, Found } from "./finder.ts";
import { candidatesOf, type Corpus } from "./first-stage.ts";
import type { QuestionVector } from "./question-vector.ts";

export class VectorSearch implements Finder {
  constructor(
    private readonly corpus: Promise<Corpus>,
    private readonly vector: QuestionVector,
  ) {}

  needsModel(question: string): Promise<boolean> {
    return this.vector.needsModel(question);
  }

  async find(question: string, options: FindOptions, reranker?: Reranker): Promise<Found> {
    const vector = await this.vector.of(question, options, reranker);
    return { candidates: candidatesOf(await this.corpus, vector, options.count) };
  }
}
