// Candidates by a backend that holds a vector for each paragraph, behind the page's own server: `make demo-backend` starts one.
import type { Reranker } from "tabrank";
import { type ChromaResponse, fromChroma } from "tabrank/candidates/chroma";
import { fromPgvector } from "tabrank/candidates/pgvector";
import type { FindOptions, Finder, Found } from "./finder.ts";
import { failure } from "./problem.ts";
import type { QuestionVector } from "./question-vector.ts";
import type { Candidate } from "./state.ts";

/** Asks one kind of backend for the `count` paragraphs that are nearest by cosine, best first. */
type Ask = (backend: URL, vector: number[], count: number, signal: AbortSignal) => Promise<Candidate[]>;

export class BackendSearch implements Finder {
  constructor(
    private readonly ask: Ask,
    private readonly backend: URL,
    private readonly vector: QuestionVector,
  ) {}

  needsModel(question: string): Promise<boolean> {
    return this.vector.needsModel(question);
  }

  async find(question: string, options: FindOptions, reranker?: Reranker): Promise<Found> {
    const vector = await this.vector.of(question, options, reranker);
    options.onStep("Asking the backend …");
    return { candidates: await this.ask(this.backend, Array.from(vector), options.count, options.signal) };
  }
}

const COLLECTIONS = "api/v2/tenants/default_tenant/databases/default_database/collections";

interface ChromaAnswer extends ChromaResponse {
  metadatas: { title: string }[][];
}

export const askChroma: Ask = async (backend, vector, count, signal) => {
  const { id } = await request<{ id: string }>(new URL(`${COLLECTIONS}/articles`, backend), { signal });
  const query = { query_embeddings: [vector], n_results: count, include: ["documents", "metadatas", "distances"] };
  const answer = await request<ChromaAnswer>(new URL(`${COLLECTIONS}/${id}/query`, backend), { ...sent(query), signal });
  const { hits, options, score } = fromChroma(answer);
  return hits.map((hit, place) => candidate(hit.id, hit.metadata?.title, options.text(hit), score(hit), place));
};

export const askPgvector: Ask = async (backend, vector, count, signal) => {
  const rows = await request<{ id: string; title: string }[]>(new URL("search", backend), { ...sent({ vector, count }), signal });
  const { hits, options, score } = fromPgvector(rows);
  return hits.map((hit, place) => candidate(hit.id, hit.title, options.text(hit), score(hit), place));
};

/** `score`: the distance by cosine, its sign turned. */
function candidate(id: string, title = "", text = "", score = 0, place: number): Candidate {
  return { paragraph: { id, title, text }, rank: place + 1, score: 1 + score };
}

function sent(body: unknown): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function request<A>(url: URL, options: RequestInit): Promise<A> {
  const response = await fetch(url, options).catch((error: unknown) => {
    throw options.signal?.aborted ? error : failure("NETWORK", "The backend does not answer.", "make demo-backend starts one.");
  });
  if (!response.ok) throw failure("HTTP_STATUS", `The backend answers with ${response.status}.`, "make demo-backend starts one, with the page in front of it; make demo has none.");
  return (await response.json()) as A;
}
