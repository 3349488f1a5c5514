// A server of models with the manners of real ones: how they answer for a file that is not there, for those that are, and for all of a folder.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { gzipSync } from "node:zlib";
import { ROOT } from "./paths.mjs";

const CORS = { "access-control-allow-origin": "*", "access-control-expose-headers": "etag, x-error-code" };
const PAGE = "<!doctype html><title>app</title>";
const DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>';
const POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

const send = (status, body = "", headers = {}) => ({ response }) => response.writeHead(status, { ...CORS, ...headers }).end(body);
const sendHidden = (status, body) => ({ response }) => response.writeHead(status).end(body);
const whole = ({ response, bytes }) => response.writeHead(200, { ...CORS, "content-length": bytes.length }).end(bytes);
const notFound = send(404);
const page = send(200, PAGE, { "content-type": "text/html" });
const cut = ({ response }) => response.destroy();
const packed = ({ response, bytes }) => response.writeHead(200, { ...CORS, "content-encoding": "gzip", "content-length": gzipSync(bytes).length }).end(gzipSync(bytes));
const inPieces = ({ response, bytes }) => {
  response.writeHead(200, CORS);
  for (let start = 0; start < bytes.length; start += 10_000) response.write(bytes.subarray(start, start + 10_000));
  response.end();
};
const halfOf = ({ response, bytes }) => {
  response.writeHead(200, { ...CORS, "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
};
const endless = ({ response }) => {
  response.writeHead(200, CORS);
  const write = () => response.destroyed || response.write(" ".repeat(1 << 20), write);
  write();
};

/** Another origin of the same server. */
const passOn = (manner, headers = CORS) => ({ response, request, path }) =>
  response.writeHead(302, { ...headers, location: `http://localhost:${request.socket.localPort}/${manner}/${path}` }).end();
const inCircles = ({ response, request }) => response.writeHead(302, { ...CORS, location: request.url }).end();

const absent = (answer, present = whole) => (call) => (call.bytes ? present : answer)(call);
const only = (name, answer, others = absent(notFound)) => (call) => (call.name === name ? answer : others)(call);
const without = (names, more = {}) => (call) => (names.includes(call.name) ? (more[call.name] ?? notFound) : (more[call.name] ?? absent(notFound)))(call);
const atFirst = (name, count, fail) => (call) => (call.name === name && call.nth <= count ? fail : absent(notFound))(call);

const WEIGHTS = ["model.safetensors", "model.safetensors.index.json"];

/** By the first folder of an address; of two, joined by `+`, the first answers for the manifest. */
const MANNERS = {
  polite: absent(notFound),
  gone: absent(send(410)),
  "not-found-in-json": absent(send(404, '{"error":"Entry not found"}')),
  "index-page": absent(page),

  "object-store": absent(sendHidden(403, DENIED)),
  "object-store-404": absent(sendHidden(404, DENIED)),
  "object-store-cors": absent(send(403, DENIED)),
  "asks-for-login": absent(send(401)),
  "bad-request": absent(send(400)),
  "not-allowed": absent(send(405)),
  "not-here": absent(send(451)),
  "no-content": absent(send(204)),
  partial: absent(send(206, "{}", { "content-range": "bytes 0-1/9" })),
  "not-modified": absent(send(304)),
  empty: absent(send(200)),
  "error-in-json": absent(send(200, '{"error":"not found"}')),
  "error-in-xml": absent(send(200, DENIED)),
  "login-page": absent(passOn("index-page")),
  "login-page-hidden": absent(passOn("closed-hidden", {})),

  circles: absent(inCircles),
  "cut-off": absent(cut),
  busy: absent(send(429, "", { "retry-after": "0" })),

  cdn: absent(notFound, passOn("polite")),
  packed: absent(notFound, packed),
  "in-pieces": absent(notFound, inPieces),
  "fails-twice": atFirst("config.json", 2, send(503)),
  "cut-once": atFirst("tokenizer.json", 1, cut),
  "half-once": atFirst("model.safetensors", 1, halfOf),
  "always-half": absent(notFound, halfOf),

  closed: send(401),
  "closed-hidden": sendHidden(403, DENIED),
  "no-cors": absent(sendHidden(404), ({ response, bytes }) => response.writeHead(200).end(bytes)),
  gated: send(403, "", { "x-error-code": "GatedRepo" }),
  mistyped: send(401, "", { "x-error-code": "RepoNotFound" }),

  "modules-refused": only("modules.json", send(403)),
  "modules-cut-off": only("modules.json", cut),
  "pointer-for-weights": only("model.safetensors", send(200, POINTER)),
  "pickles-only": without(WEIGHTS, { "pytorch_model.bin": send(200, "PK\x03\x04") }),
  "onnx-only": without(WEIGHTS, { "onnx/model.onnx": send(200, "\b\b\x12\x07pytorch") }),
  "adapter-only": without([...WEIGHTS, "config.json"], { "adapter_config.json": send(200, '{"peft_type":"LORA"}') }),
  "no-weights": without(WEIGHTS),
  endless: only("config.json", endless),
  "many-shards": without(WEIGHTS, { "model.safetensors.index.json": send(200, indexOf(3000)) }),
};

function indexOf(shards) {
  return JSON.stringify({ weight_map: Object.fromEntries(Array.from({ length: shards }, (_, part) => [`tensor${part}`, `model-${part}.safetensors`])) });
}

/** Starts the server. `url(manner, path)` is a path below `tests/fixtures`; `requests` gathers what came, with what the browser sent along. */
export async function serveHosts() {
  const requests = [];
  const counts = new Map();
  const http = createServer((request, response) => {
    const nth = (counts.get(request.url) ?? 0) + 1;
    counts.set(request.url, nth);
    requests.push({ method: request.method, url: request.url, headers: request.headers });
    answer(request, response, nth).catch(() => response.destroy());
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  const { port } = http.address();
  return {
    requests,
    /** Names of the files that were asked for. */
    names: () => requests.filter(({ method }) => method === "GET").map(({ url }) => new URL(url, "http://host").pathname.split("/checkpoint/")[1]),
    url: (manner, path) => `http://127.0.0.1:${port}/${manner}/${path}`,
    forget: () => {
      requests.length = 0;
      counts.clear();
    },
    close: () => new Promise((done) => http.close(done).closeAllConnections()),
  };
}

async function answer(request, response, nth) {
  const { pathname } = new URL(request.url, "http://host");
  const [, manner, ...rest] = decodeURIComponent(pathname).split("/");
  const path = rest.join("/");
  const file = join(ROOT, "tests/fixtures", normalize(`/${path.replace(/^owner\/(.*)\/resolve\/main\//, "$1/checkpoint/")}`));
  if (request.method === "OPTIONS") return response.writeHead(204, { ...CORS, "access-control-allow-headers": "authorization" }).end();
  const bytes = await readFile(file).catch(() => undefined);
  const [, name] = /(?:\/checkpoint|\/resolve\/main)\/(.*)$/.exec(path) ?? [];
  const [manifest, others = manifest] = manner.split("+");
  MANNERS[name === "tabrank.json" ? manifest : others]({ request, response, path, name, bytes, nth });
}
