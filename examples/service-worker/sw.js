import { rerankSearches } from "./node_modules/tabrank/dist/adapters/service-worker.js";

// The first visit's searches are reranked too.
addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

rerankSearches(self, {
  matches: (url) => url.pathname.endsWith("/found.json"),
  query: (url) => url.searchParams.get("q"),
  hits: (answer) => answer.hits,
  text: (hit) => hit.body,
  withHits: (answer, hits) => ({ ...answer, hits }),
});
