/** A call to a worker with what its model's cache knows: nobody can tell by the answer, but for its time, which documents were known. */

import { RerankerError } from "../error.js";
import type { RerankAnswer, RerankRequest } from "../protocol.js";
import type { DocumentCache, Findings, Sought } from "./document-cache.js";
import { nameOf } from "./input.js";
import type { CallOptions, Client } from "./worker-client.js";

/** Documents whose embeddings were there, and those whose were not. */
export interface Counts {
  hits: number;
  misses: number;
}

/** `sought`: the documents that bring no embeddings along. `era`: the cache's when the ranking began, which may be long before. */
export async function cachedCall(client: Client, cache: DocumentCache, request: RerankRequest, sought: readonly Sought[], era: number, options: CallOptions): Promise<{ answer: RerankAnswer; counts: Counts }> {
  const { device } = client;
  const findings = await cache.find(sought, { device, windows: request.windows, tokenPooling: request.tokenPooling }, era);
  requireAll(sought, findings);
  const { hits, vectors } = findings;
  const all = [...(request.vectors ?? []), ...(vectors ? [vectors] : [])];
  const answer = await client.call("rerank", { ...request, keep: cache.codec, ...(all.length > 0 && { vectors: all }) }, options);
  if (client.device === device) cache.keep(answer.kept, findings);
  // The device was lost, and embeddings that it had made took part: those of the other are not the same to the last bit.
  else if (vectors) return cachedCall(client, cache, request, sought, era, options);
  return { answer: asEncoded(answer, hits), counts: { hits: hits.size, misses: sought.length - hits.size } };
}

/** One without a text has nothing to be encoded from. */
function requireAll(sought: readonly Sought[], { hits }: Findings): void {
  const missing = sought.filter(({ place, text }) => text === undefined && !hits.has(place));
  const [first] = missing;
  if (!first) return;
  const others = missing.length > 1 ? `, nor of ${missing.length - 1} more` : "";
  const message = `${nameOf(first.index, first.id)} has no text, and the vector cache has no embeddings of it${others}`;
  throw new RerankerError({ code: "NOT_CACHED", message, details: { documents: missing.map(({ index }) => index) } });
}

/** As the answer would be had all texts been encoded. */
function asEncoded(answer: RerankAnswer, hits: Findings["hits"]): RerankAnswer {
  const found = Array.from(answer.indices, (place) => hits.get(place));
  const truncated = answer.truncated.map((cut, row) => (found[row]?.truncated ? 1 : cut));
  const explanations = answer.explanations?.map((each, row) => (found[row] ? { ...each, truncated: found[row].truncated } : each));
  return { ...answer, truncated, ...(explanations && { explanations }) };
}
