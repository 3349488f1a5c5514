// A static file server that counts what it sends and keeps what the page uploads.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { packages } from "./contestants.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** What makes a page cross-origin isolated. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

// The bench's own pages are no part of what a contestant transfers.
const UNCOUNTED = "/bench/";

export async function serve({ paths, modelName }) {
  const { ort, tokenizers, transformers, transformersOrt } = packages(paths);
  const mounts = {
    [UNCOUNTED]: join(paths.here, "pages"),
    "/tabrank/": join(paths.package, "dist"),
    ...(paths.baseline && { "/baseline/": join(paths.baseline, "dist") }),
    "/test-pages/": join(paths.here, "../../tests/web/pages"),
    "/wasm/": join(paths.package, "wasm"),
    [`/models/${modelName}/`]: paths.model,
    "/models/": paths.random,
    "/page-models/": paths.pages,
    "/onnx/": paths.onnx,
    "/bundles/": paths.bundles,
    "/onnxruntime/": join(ort, "dist"),
    "/tokenizers/": join(tokenizers, "dist"),
    "/transformers/": join(transformers, "dist"),
    "/transformers-onnxruntime/": join(transformersOrt, "dist"),
  };
  const state = { sent: [], uploads: new Map() };
  const servers = await Promise.all([{}, ISOLATED].map((policy) => listen(mounts, state, policy)));
  const [origin, isolatedOrigin] = servers.map((http) => `http://127.0.0.1:${http.address().port}`);
  return {
    origin,
    /** Of the same files, for pages that may have threads. */
    isolatedOrigin,
    uploads: state.uploads,
    forget: () => { state.sent = []; },
    sent: () => state.sent,
    close: () => servers.forEach((http) => http.close()),
  };
}

async function listen(mounts, state, policy) {
  const http = createServer((request, response) => {
    for (const [name, value] of Object.entries(policy)) response.setHeader(name, value);
    answer(request, response, mounts, state).catch(() => response.destroy());
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  return http;
}

async function answer(request, response, mounts, state) {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  if (request.method === "POST") return upload(request, response, path, state);
  const file = locate(path, mounts);
  const found = file && (await stat(file).catch(() => undefined));
  if (!found?.isFile()) return response.writeHead(404).end();
  const range = byteRange(request.headers.range, found.size);
  response.writeHead(range ? 206 : 200, headers(file, found.size, range));
  if (request.method === "HEAD") return response.end();
  const { start, end } = range ?? { start: 0, end: found.size - 1 };
  await pipeline(createReadStream(file, { start, end }), response);
  if (!path.startsWith(UNCOUNTED)) state.sent.push({ path, file, bytes: end - start + 1 });
}

function locate(path, mounts) {
  const prefix = Object.keys(mounts).find((each) => path.startsWith(each));
  const below = prefix && normalize(`/${path.slice(prefix.length)}`);
  return prefix && join(mounts[prefix], below);
}

function headers(file, size, range) {
  return {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-length": range ? range.end - range.start + 1 : size,
    ...(range && { "content-range": `bytes ${range.start}-${range.end}/${size}` }),
  };
}

// transformers.js asks for the first byte of a file to learn its size.
function byteRange(header, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  if (!match) return undefined;
  return { start: Number(match[1]), end: Math.min(match[2] ? Number(match[2]) : size - 1, size - 1) };
}

async function upload(request, response, path, state) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  state.uploads.set(path.split("/").pop(), Buffer.concat(chunks));
  response.writeHead(204).end();
}
