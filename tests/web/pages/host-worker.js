// A service worker that answers for some of a model's files in the way that its own address asks for.
const { searchParams } = new URL(self.location.href);

const ANSWERS = {
  status: () => new Response("offline", { status: 503 }),
  page: () => new Response("<!doctype html><title>offline</title>", { headers: { "content-type": "text/html" } }),
  error: () => Response.error(),
  empty: () => new Response(""),
  opaque: (request) => fetch(new Request(searchParams.get("elsewhere"), { mode: "no-cors", cache: request.cache })),
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname.endsWith(searchParams.get("file"))) event.respondWith(ANSWERS[searchParams.get("answer")](event.request));
});
