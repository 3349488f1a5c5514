// The page without a connection: keeps the page's own files, and of the rest what it has loaded once. Models and parts of the index are kept by the package.
// It says nothing of its own to any server, and keeps nothing that is not a file of this folder.

/** Files of the build: those without which the page does not open, and all of them. vite.config.ts puts them in, and a version made of their contents. */
declare const __BUILD__: { version: string; shell: string[]; files: string[] };

interface Worker extends EventTarget {
  registration: { scope: string };
  clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
}

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetching extends Extendable {
  request: Request;
  respondWith(response: Promise<Response>): void;
}

export type Message = { kind: "keep"; addresses: string[] } | { kind: "takeOver" };

const worker = self as unknown as Worker;
const scope = new URL(worker.registration.scope);
const { version, shell, files } = __BUILD__;
const PREFIX = `tabrank-demo ${scope.pathname} `;
const SHELL = PREFIX + version;
const KEPT = `${PREFIX}kept`;

worker.addEventListener("install", (event) => (event as Extendable).waitUntil(install()));
worker.addEventListener("activate", (event) => (event as Extendable).waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event as Fetching;
  const path = pathOf(request.url);
  if (request.method !== "GET" || request.headers.has("range") || path === undefined) return;
  (event as Fetching).respondWith(isFixed(path) ? fromCache(request, path) : fromNetwork(request, path));
});
worker.addEventListener("message", (event) => {
  const { data, ports } = event as MessageEvent<Message>;
  if (data.kind === "takeOver") return void worker.skipWaiting();
  (event as unknown as Extendable).waitUntil(keep(data.addresses).then(() => ports[0]?.postMessage("kept")));
});

async function install(): Promise<void> {
  const cache = await caches.open(SHELL);
  await cache.addAll(shell.map((path) => new Request(new URL(path, scope), { cache: "no-cache" })));
}

/** What earlier versions left goes; of what they kept, files that this one has no use for. */
async function activate(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== SHELL && name !== KEPT) await caches.delete(name);
  const kept = await caches.open(KEPT);
  for (const { url } of await kept.keys()) {
    const path = pathOf(url);
    if (path === undefined || (path.startsWith("assets/") && !files.includes(path))) await kept.delete(url);
  }
  await worker.clients.claim();
}

/** The file's path in this folder, without what follows it; nothing for what is not ours to keep, such as a backend's answers. */
function pathOf(address: string): string | undefined {
  const { origin, pathname } = new URL(address);
  if (origin !== scope.origin || !pathname.startsWith(scope.pathname)) return undefined;
  const path = pathname.slice(scope.pathname.length) || "index.html";
  return isFixed(path) || /^(data\/[^/]+|page\/.+|models\/sizes\.json)$/.test(path) ? path : undefined;
}

/** The name of such a file changes with its contents, or it belongs to this version. */
function isFixed(path: string): boolean {
  return path.startsWith("assets/") || shell.includes(path);
}

async function fromCache(request: Request, path: string): Promise<Response> {
  return (await find(path)) ?? fetchAndKeep(request, path);
}

async function fromNetwork(request: Request, path: string): Promise<Response> {
  if (!navigator.onLine) return (await find(path)) ?? Response.error();
  return fetchAndKeep(request, path).catch(async (error: unknown) => {
    const found = await find(path);
    if (found) return found;
    throw error;
  });
}

async function find(path: string): Promise<Response | undefined> {
  const address = new URL(path, scope).href;
  return (await (await caches.open(SHELL)).match(address)) ?? (await caches.open(KEPT)).match(address);
}

async function fetchAndKeep(request: Request, path: string): Promise<Response> {
  const response = await fetch(request);
  if (response.status === 200) {
    const cache = await caches.open(KEPT);
    // A full disk is no reason to withhold the file.
    await cache.put(new URL(path, scope).href, response.clone()).catch(() => {});
  }
  return response;
}

/** What the page loaded before this worker was there. */
async function keep(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const path = pathOf(address);
    if (path !== undefined && (await find(path)) === undefined) await fetchAndKeep(new Request(new URL(path, scope)), path).catch(() => {});
  }
}
