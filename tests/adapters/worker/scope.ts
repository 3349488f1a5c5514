/** The adapter takes a service worker's own global scope, as TypeScript has it. */

import { rerankSearches } from "tabrank/adapters/service-worker";

declare const self: ServiceWorkerGlobalScope;

rerankSearches(self, {
  matches: (url, { method }) => url.pathname === "/search" && method === "POST",
  query: async (_, request) => ((await request.json()) as { query: string }).query,
  hits: (answer: { hits: { body: string }[] }) => answer.hits,
  text: (hit) => hit.body,
  withHits: (answer, hits) => ({ ...answer, hits }),
});
