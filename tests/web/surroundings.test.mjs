// Where a page may want to load a model: each place works, or says what is missing there and what to do.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { openExtension } from "./lib/extension.mjs";
import { openBrowser } from "./lib/package.mjs";
import { openPage } from "./lib/browser.mjs";
import { needPackage, PAGES } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 60_000 };

let browser;
let tiny;
let context;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
afterEach(async () => {
  await context?.close();
  context = undefined;
});

const url = (path) => browser.server.url(path);

/** A page without a script of its own, from a folder of the server with its policy. */
async function openEmpty(policy) {
  context = await browser.browser.newContext();
  return openPage(context, url(`${policy}/pages/empty.html`));
}

/** Loads and reranks in a page, a frame or a worker, with nothing but the package: `{ value }` or `{ error }`. */
function rerankIn(place, { module, model, options = {} }) {
  const call = async ([module, model, options, query, documents]) => {
    const { Reranker } = module ? await import(module) : globalThis;
    const warnings = [];
    try {
      const reranker = await Reranker.load(model, { device: "cpu", ...options, onWarning: ({ code }) => warnings.push(code) });
      const { results } = await reranker.rerank(query, documents);
      return { value: { results, warnings } };
    } catch ({ name, code, message, hint }) {
      return { error: { name, code, message, hint } };
    }
  };
  return place.evaluate(call, [module, model, options, tiny.query, tiny.documents]);
}

/** The package and the model under a policy of the server. */
const under = (policy, options) => ({ module: url(`${policy}/package/index.js`), model: url(`${policy}/${tiny.checkpoint}`), options });

describe("a strict Content-Security-Policy", () => {
  it("is not violated, and trusted types are served by workerUrl", LIMIT, async () => {
    const { page, complaints } = await openEmpty("strict");
    assertRanked(await rerankIn(page, under("strict", { workerUrl: url("strict/package/worker.js") })), tiny);
    assert.deepEqual(complaints, []);
  });

  it("that lists policies without ours, or has a second copy of the package, is told what to list", LIMIT, async () => {
    const { page } = await openEmpty("one-policy");
    const options = { workerUrl: url("one-policy/package/worker.js") };
    assertRanked(await rerankIn(page, under("one-policy", options)), tiny);
    const { error } = await rerankIn(page, { ...under("one-policy", options), module: url("open/package/index.js") });
    assert.equal(error.code, "WORKER_FAILED");
    assert.match(error.hint, /list tabrank, with 'allow-duplicates'/);
  });

  it("without wasm-unsafe-eval is enough for the page, if worker.js has its own", LIMIT, async () => {
    const { page, complaints } = await openEmpty("no-wasm");
    assertRanked(await rerankIn(page, under("no-wasm", { workerUrl: url("open/package/worker.js") })), tiny);
    assert.deepEqual(complaints, []);
  });
});

describe("a page on another origin than the package", () => {
  // The same server by another name.
  const elsewhere = (path) => browser.server.url(path, "localhost");

  it("is told to pass workerUrl, and then needs nothing else", LIMIT, async () => {
    const { page } = await openEmpty("open");
    const place = { ...under("open"), module: elsewhere("shared/package/index.js") };
    const { error } = await rerankIn(page, place);
    assert.equal(error.code, "WORKER_FAILED");
    assert.match(error.hint, /another origin than the page.*pass workerUrl/);
    assertRanked(await rerankIn(page, { ...place, options: { workerUrl: elsewhere("shared/package/worker.js") } }), tiny);
  });

  it("starts the worker through a script of its own, and takes a module that is this version's", LIMIT, async () => {
    const { page } = await openEmpty("open");
    const options = { workerUrl: elsewhere("shared/package/worker.js"), wasmUrl: elsewhere("shared/package/tabrank.wasm") };
    assertRanked(await rerankIn(page, under("open", options)), tiny);
  });

  it("refuses a module that is another version's", LIMIT, async () => {
    const { page } = await openEmpty("open");
    const { error } = await rerankIn(page, under("open", { wasmUrl: elsewhere("shared/pages/other.wasm") }));
    assert.equal(error.code, "INTEGRITY_FAILED");
    assert.match(error.message, /another module than this version's/);
  });
});

describe("a frame", () => {
  const openFrame = async (attributes) => {
    const { page } = await openEmpty("open");
    const attached = page.waitForEvent("frameattached");
    await page.evaluate(
      ([attributes]) => {
        const frame = document.createElement("iframe");
        for (const [name, value] of Object.entries(attributes)) frame.setAttribute(name, value);
        document.body.append(frame);
      },
      [attributes],
    );
    const frame = await attached;
    await frame.waitForURL(attributes.src);
    return frame;
  };

  it("of another origin works", LIMIT, async () => {
    const src = browser.server.url("shared/pages/empty.html", "localhost");
    const frame = await openFrame({ src });
    const place = (path) => browser.server.url(path, "localhost");
    assertRanked(await rerankIn(frame, { module: place("shared/package/index.js"), model: place(`shared/${tiny.checkpoint}`) }), tiny);
  });

  it("that is sandboxed says what it needs, and with that works, without storage", LIMIT, async () => {
    const frame = await openFrame({ sandbox: "allow-scripts", src: url("shared/pages/empty.html") });
    const { error } = await rerankIn(frame, under("shared"));
    assert.equal(error.code, "WORKER_FAILED");
    assert.match(error.hint, /workerUrl, and Access-Control-Allow-Origin/);
    const outcome = await rerankIn(frame, under("shared", { workerUrl: url("shared/package/worker.js") }));
    assertRanked(outcome, tiny);
    assert.deepEqual(outcome.value.warnings, ["CACHE_UNAVAILABLE"]);
  });
});

it("a page from a file says that it needs a web server", LIMIT, async () => {
  context = await browser.browser.newContext();
  const { page } = await openPage(context, pathToFileURL(join(PAGES, "empty.html")).href);
  const fromServer = await rerankIn(page, under("shared"));
  assert.equal(fromServer.error.code, "WORKER_FAILED");
  assert.match(fromServer.error.hint, /through a web server/);
  const { error } = await rerankIn(page, { ...under("shared"), model: "model/" });
  assert.equal(error.code, "INVALID_INPUT");
  assert.match(error.hint, /through a web server/);
});

describe("a worker of the page's own", () => {
  const ask = (page, kind) =>
    page.evaluate(
      ([kind, script, request]) => {
        const worker = new globalThis[kind](script, { type: "module" });
        const port = worker.port ?? worker;
        const answer = new Promise((resolve) => (port.onmessage = ({ data }) => resolve(data)));
        port.postMessage(request);
        return answer;
      },
      [kind, url("open/pages/nested-worker.js"), { model: url(`open/${tiny.checkpoint}`), query: tiny.query, documents: tiny.documents }],
    );

  it("loads, if it is a dedicated one", LIMIT, async () => {
    const { page } = await openEmpty("open");
    assertRanked(await ask(page, "Worker"), tiny);
  });

  it("says that it cannot start workers, if it is a shared one that cannot", LIMIT, async () => {
    const { page } = await openEmpty("open");
    const outcome = await ask(page, "SharedWorker");
    if (!outcome.error) return assertRanked(outcome, tiny);
    assert.equal(outcome.error.message, "a shared worker cannot start workers");
    assert.match(outcome.error.hint, /in a page/);
  });
});

describe("an extension", () => {
  let extension;
  afterEach(() => extension?.close());

  it("works in its pages and, as the error of its service worker says, in an offscreen document", LIMIT, async () => {
    extension = await openExtension({ allowsWasm: true });
    const { error } = await rerankIn(extension.background, { model: "model/" });
    assert.equal(error.message, "a service worker cannot start workers");
    assert.match(error.hint, /offscreen document/);
    const answer = await extension.background.evaluate(
      async ([query, documents]) => {
        await chrome.offscreen.createDocument({ url: "offscreen.html", reasons: ["WORKERS"], justification: "reranks" });
        return chrome.runtime.sendMessage({ query, documents });
      },
      [tiny.query, tiny.documents],
    );
    assertRanked(answer, tiny);
    const page = await extension.openPage();
    assertRanked(await rerankIn(page, { module: "/package/index.js", model: "model/" }), tiny);
  });

  it("whose manifest does not allow WebAssembly says what to add to it", LIMIT, async () => {
    extension = await openExtension({ allowsWasm: false });
    const page = await extension.openPage();
    const { error } = await rerankIn(page, { module: "/package/index.js", model: "model/" });
    assert.equal(error.code, "WASM_BLOCKED_BY_CSP");
    assert.match(error.hint, /extension_pages/);
  });
});
