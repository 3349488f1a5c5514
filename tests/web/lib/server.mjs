// A static server that sends each file with its right type and a chosen policy, below a sub-path, and keeps a log of what was asked for.
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { OUTPUT, PAGES, ROOT } from "./paths.mjs";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const STRICT = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** The first folder of an address picks the policy that its response carries. */
const POLICIES = {
  open: {},
  /** The glue of the module with both devices stands in the place of the CPU's. */
  both: {},
  strict: { "content-security-policy": STRICT },
  /** What a bundler's page needs. */
  built: { "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:" },
  /** And one that takes the package from another origin. */
  cdn: { "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' http://localhost:*; worker-src 'self' http://localhost:*; connect-src 'self' http://localhost:*; img-src data:" },
  "one-policy": { "content-security-policy": `${STRICT}; trusted-types tabrank` },
  "no-wasm": { "content-security-policy": "script-src 'self'" },
  "no-workers": { "content-security-policy": "worker-src 'none'" },
  /** Parts of files are given, as object stores and hubs give them. */
  ranges: { "accept-ranges": "bytes" },
  shared: { "access-control-allow-origin": "*" },
  /** Each file is passed on to another origin, where it is `shared`. */
  moved: { "access-control-allow-origin": "*" },
  isolated: { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" },
};

export const FOLDERS = {
  pages: PAGES,
  wasm: join(ROOT, "pkg/wasm"),
  package: join(ROOT, "pkg/dist"),
  bench: join(ROOT, "benches/browser/pages"),
  soak: join(ROOT, "benches/soak/pages"),
  load: join(ROOT, "benches/load/pages"),
  indexes: join(ROOT, "target/bench/index"),
  benched: join(ROOT, "target/bench/bundles"),
  fixtures: join(ROOT, "tests/fixtures"),
  models: join(ROOT, "models"),
  demo: join(ROOT, "www/dist"),
  data: join(OUTPUT, "data"),
  bundles: join(OUTPUT, "bundles"),
  checkpoints: join(OUTPUT, "checkpoints"),
  apps: join(ROOT, "target/apps"),
};

/** Nothing stands at the root, as on a server where a project has its own folder. */
const BASE = "/some/project/";

/** Starts the server; `url(path)` is an address such as `open/pages/engine.html`. `isHeard`: each page begins with the script pages/heard.js. */
export async function serve({ isHeard = false } = {}) {
  const requests = [];
  const http = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response, isHeard).catch(() => response.destroy());
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  const { port } = http.address();
  return {
    port,
    requests,
    url: (path, host = "127.0.0.1") => `http://${host}:${port}${BASE}${path}`,
    close: () => new Promise((done) => http.close(done).closeAllConnections()),
  };
}

async function answer(request, response, isHeard) {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  if (path.startsWith(`${BASE}moved/`)) return passOn(request, response);
  const [, policy, name] = HUB_QUESTION.exec(path.slice(BASE.length)) ?? [];
  if (name !== undefined) return tellModel(response, POLICIES[policy], name);
  const place = path.startsWith(BASE) ? locate(path.slice(BASE.length)) : undefined;
  const found = place && (await stat(place.file).catch(() => undefined));
  // With the policy too: other origins may know of a hub that it has no such file.
  if (!found?.isFile()) return response.writeHead(404, { "content-type": "text/html", ...place?.policy }).end("<!doctype html><title>Not found</title>");
  if (isHeard && extname(place.file) === ".html") return sendHeard(place, response);
  const range = rangeOf(request, place, found.size);
  response.writeHead(range ? 206 : 200, {
    "content-type": TYPES[extname(place.file)] ?? "application/octet-stream",
    "content-length": range ? range.end + 1 - range.start : found.size,
    ...(range && { "content-range": `bytes ${range.start}-${range.end}/${found.size}` }),
    etag: `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`,
    "x-content-type-options": "nosniff",
    ...place.policy,
  });
  if (request.method === "HEAD") return response.end();
  await pipeline(createReadStream(place.file, range), response);
}

/** What a hub is asked of a model before it is loaded. */
const HUB_QUESTION = /^(\w[\w-]*)\/hub\/api\/models\/[\w.-]+\/([\w.-]+)$/;

/** A model by its name is the fixture of that name; the demo's model of pages is a tiny one. */
const fixtureOf = (name) => join(FOLDERS.fixtures, name === "colmodernvbert-merged" ? "visual/colmodernvbert" : normalize(`/${name}`), "checkpoint");

/** Files with their sizes, and a licence, as Hugging Face tells them. */
async function tellModel(response, policy, name) {
  const folder = fixtureOf(name);
  const files = await readdir(folder, { recursive: true }).catch(() => undefined);
  if (files === undefined) return response.writeHead(404, policy).end();
  const siblings = await Promise.all(files.map(async (rfilename) => ({ rfilename, size: (await stat(join(folder, rfilename))).size })));
  response.writeHead(200, { "content-type": "application/json", ...policy }).end(JSON.stringify({ siblings, cardData: { license: "mit" } }));
}

async function sendHeard({ file, name, policy }, response) {
  const page = await readFile(file, "utf8");
  response.writeHead(200, { "content-type": TYPES[".html"], ...policy });
  response.end(page.replace(/<html[^>]*>/, `$&<script src="${BASE}${name}/pages/heard.js"></script>`));
}

function passOn({ url, socket }, response) {
  const location = `http://localhost:${socket.localPort}${url.replace("/moved/", "/shared/")}`;
  response.writeHead(302, { ...POLICIES.moved, location }).end();
}

/** The part that is asked for, its last byte included, where parts are given. */
function rangeOf(request, { policy }, size) {
  const [, start, end] = (policy["accept-ranges"] && /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")) || [];
  return start === undefined ? undefined : { start: Number(start), end: Math.min(Number(end), size - 1) };
}

function locate(path) {
  const [name, folder, ...rest] = path.split("/");
  const policy = POLICIES[name];
  const [start, inside] = folder === "hub" ? hubFolder(rest) : [FOLDERS[folder], rest];
  if (!policy || !start) return undefined;
  const glue = name === "both" && folder === "wasm" && inside[0] === "tabrank.js";
  const file = join(start, normalize(`/${glue ? "tabrank_gpu.js" : inside.join("/")}`));
  return { name, policy, file: file.endsWith("/") ? join(file, "index.html") : file };
}

/** As a model hub has it: `hub/{owner}/{name}/resolve/{revision}/…` holds the checkpoint of the fixture of that name. */
function hubFolder([, name = "", resolve, , ...inside]) {
  return [resolve === "resolve" ? fixtureOf(name) : undefined, inside];
}
