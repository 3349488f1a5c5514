// Models on hosts that answer in their own ways: what a file is that does not come, and what is said of it.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { serveHosts } from "./lib/hosts.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 30_000 };

/** Milliseconds that a worker and its wasm module may take to start, on a machine that does other things too. */
const STARTING = 2_000;

let browser;
let hosts;
let tab;
let tiny;
before(async () => {
  needPackage();
  // Of its optional files this one has no more than it needs: `tabrank.json` and `modules.json` are asked for first, and absent.
  tiny = await tinyCase("stanford");
  hosts = await serveHosts();
  browser = await openBrowser({ webgpu: false });
});
after(async () => {
  await browser?.close();
  await hosts?.close();
});
beforeEach(async () => {
  tab = await browser.newPackagePage();
  hosts.forget();
});
afterEach(() => tab?.close());

const PATH = "stanford/checkpoint/";
const load = (manner, { path = PATH, query = "", ...options } = {}) => tab.harness("load", "it", hosts.url(manner, path) + query, { device: "cpu", ...options });
const loadOnHub = (manner, options) => tab.harness("load", "it", "owner/stanford", { device: "cpu", hub: hosts.url(manner, ""), ...options });
const rerank = () => tab.harness("rerank", "it", tiny.query, tiny.documents);
const refused = (warnings) => warnings.filter(({ code }) => code === "FILE_REFUSED").map(({ message }) => message);

async function assertLoads({ value, error }, warned) {
  assert.equal(error, undefined, JSON.stringify(error));
  const messages = refused(value.warnings);
  assert.deepEqual(messages.map((message) => message.split(" ")[0]), warned);
  assertRanked(await rerank(), tiny);
  return messages;
}

describe("a file that is not there is absent, and nothing is said of it, where the host answers with", () => {
  for (const manners of ["polite+index-page", "gone+not-found-in-json"]) {
    it(manners, LIMIT, async () => {
      await assertLoads(await load(manners), []);
    });
  }
});

describe("a file that may be there or not counts as absent, with a warning, where the host answers with", () => {
  const CASES = [
    ["object-store+login-page", /CORS/, /leads to a web page/],
    ["object-store-404+object-store-cors", /CORS/, /status 403/],
    ["login-page-hidden+empty", /CORS/, /holds no bytes/],
    ["asks-for-login+bad-request", /status 401/, /status 400/],
    ["not-allowed+not-here", /status 405/, /status 451/],
    ["no-content+partial", /status 204/, /status 206/],
    ["not-modified+error-in-json", /status 304/, /error message in JSON/],
    ["error-in-xml+object-store", /XML/, /CORS/],
  ];
  for (const [manners, manifest, modules] of CASES) {
    it(manners, LIMIT, async () => {
      const messages = await assertLoads(await load(manners), ["tabrank.json", "modules.json"]);
      assert.match(messages[0], manifest);
      assert.match(messages[1], modules);
    });
  }

  it("and the copy that is kept warns of it too, without a request", LIMIT, async () => {
    await load("object-store");
    await tab.page.reload();
    await tab.page.waitForFunction(() => globalThis.harness !== undefined);
    hosts.forget();
    await assertLoads(await load("object-store"), ["tabrank.json", "modules.json"]);
    assert.deepEqual(hosts.requests, []);
  });

  it("403 for `modules.json` alone: the model is not what it should be, and the warning says so", LIMIT, async () => {
    const { value, error } = await load("modules-refused", { path: "bi-encoder/checkpoint/" });
    assert.equal(error, undefined);
    assert.match(refused(value.warnings)[0], /modules\.json counts as absent: .* status 403.*scores are not what they should be/);
  });

  it("403 for `modules.json` of a late-interaction model: it is refused, by that file's name", LIMIT, async () => {
    const { error } = await load("modules-refused", { path: "pylate/checkpoint/" });
    assert.equal(error.code, "CHECKPOINT_INVALID");
    assert.match(error.message, /no modules\.json, though/);
  });
});

describe("a file that may still come is never taken for absent where the host", () => {
  for (const [manner, code] of [["circles", "NETWORK"], ["modules-cut-off", "NETWORK"], ["busy", "HTTP_STATUS"]]) {
    it(manner, LIMIT, async () => {
      const { error } = await load(manner);
      assert.equal(error.code, code);
      assert.equal(error.retryable, true);
      assert.match(error.message, /tabrank\.json|modules\.json/);
    });
  }

  it("hides its answers from a page that is isolated, where they cannot be told from none", LIMIT, async () => {
    const isolated = await browser.newPackagePage({ policy: "isolated" });
    const { error } = await isolated.harness("load", "it", hosts.url("object-store", PATH), { device: "cpu" });
    await isolated.close();
    assert.equal(error.code, "NETWORK");
  });
});

it("a host that cannot be reached: the error gives the address, and what to check", LIMIT, async () => {
  const nowhere = ["http://127.0.0.1:9/model/", "http://nowhere.invalid/model/", hosts.url("polite", PATH).replace("http:", "https:")];
  const outcomes = await Promise.all(nowhere.map((address) => tab.harness("load", address, address, { device: "cpu" })));
  outcomes.forEach(({ error }, place) => {
    assert.equal(error.code, "NETWORK");
    assert.equal(error.retryable, true);
    assert.equal(error.message, `${nowhere[place]}tabrank.json could not be fetched`);
    assert.match(error.hint, /connection.*CORS.*connect-src/);
  });
});

describe("a model comes whole", () => {
  for (const manner of ["cdn", "packed", "in-pieces", "fails-twice", "cut-once", "half-once"]) {
    it(`from a host with the manner: ${manner}`, LIMIT, async () => {
      await assertLoads(await load(manner), []);
    });
  }

  it("with a name and a password in its address", LIMIT, async () => {
    const address = new URL(hosts.url("polite", PATH));
    Object.assign(address, { username: "me", password: "p:ss" });
    const { error } = await tab.harness("load", "it", address.href, { device: "cpu" });
    assert.equal(error, undefined);
    const sent = hosts.requests.filter(({ method }) => method === "GET").map(({ headers }) => headers.authorization);
    assert.deepEqual([...new Set(sent)], [`Basic ${btoa("me:p:ss")}`]);
  });
});

describe("a folder that is refused as a whole", () => {
  it("with 401: the error speaks of the folder and of credentials", LIMIT, async () => {
    const { error } = await load("closed");
    assert.equal(error.code, "HTTP_STATUS");
    assert.equal(error.message, `${hosts.url("closed", PATH)} does not give its files: status 401 for config.json`);
    assert.match(error.hint, /headers/);
    assert.equal(error.retryable, false);
  });

  for (const manner of ["closed-hidden", "no-cors"]) {
    it(`${manner}: the error says that the page may not see the answers`, LIMIT, async () => {
      const { error } = await load(manner);
      assert.equal(error.code, "NETWORK");
      assert.match(error.message, /config\.json was answered, but the browser does not let this page see the answer/);
      assert.match(error.hint, /Access-Control-Allow-Origin/);
      assert.equal(error.retryable, false);
    });
  }

  it("that is not there: the error gives the address", LIMIT, async () => {
    const { error } = await load("polite", { path: "nothing/checkpoint/" });
    assert.equal(error.code, "HTTP_STATUS");
    assert.match(error.message, /nothing\/checkpoint\/config\.json answered with status 404/);
    assert.match(error.hint, /address/);
  });

  for (const [manner, words] of [["gated", /accept terms/], ["mistyped", /no such model, or it is private/], ["closed", /status 401/]]) {
    it(`${manner}, on a hub: the error names the model, and how to pass a token`, LIMIT, async () => {
      const { error } = await loadOnHub(manner);
      assert.equal(error.code, "HTTP_STATUS");
      assert.match(error.message, /does not give the model owner\/stanford at revision main/);
      assert.match(error.message, words);
      assert.match(error.hint, /headers: \{ authorization: "Bearer …" \}/);
    });
  }

  it("with a 4xx: the error comes within a second", LIMIT, async () => {
    const start = performance.now();
    const { error } = await load("closed");
    assert.equal(error.details.status, 401);
    assert.ok(performance.now() - start < 1000 + STARTING);
    for (const name of hosts.names()) assert.ok(hosts.names().filter((other) => other === name).length <= 2, hosts.names().join());
  });
});

describe("something else in a file's place is told", () => {
  const CASES = [
    ["pointer-for-weights", "INTEGRITY_FAILED", /model\.safetensors holds a Git LFS pointer/, /git lfs pull/],
    ["pickles-only", "CHECKPOINT_UNSUPPORTED", /no model\.safetensors, but pytorch_model\.bin: pickled weights/, /tabrank convert/],
    ["onnx-only", "CHECKPOINT_UNSUPPORTED", /no model\.safetensors, but onnx\/model\.onnx: an ONNX graph/, /exported from/],
    ["adapter-only", "CHECKPOINT_UNSUPPORTED", /adapter_config\.json: an adapter without the model/, /merge_and_unload/],
    ["no-weights", "CHECKPOINT_INVALID", /model\.safetensors.* safetensors.*status 404/, /whole/],
    ["endless", "CHECKPOINT_UNSUPPORTED", /config\.json has more than 8,388,608 bytes/, /file it should be/],
    ["always-half", "NETWORK", /could not be fetched/, /connection/],
  ];
  for (const [manner, code, message, hint] of CASES) {
    it(manner, LIMIT, async () => {
      const { error } = await load(manner);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.match(error.hint, hint);
    });
  }

  it("many-shards: none of 3,000 is asked for", LIMIT, async () => {
    const { error } = await load("many-shards");
    assert.ok(["CHECKPOINT_UNSUPPORTED", "CHECKPOINT_INVALID"].includes(error.code), error.code);
    assert.match(error.message, /3,?000|256/);
    assert.deepEqual(hosts.names().filter((name) => /model-\d/.test(name)), []);
  });

  it("nothing of what failed stays", LIMIT, async () => {
    await load("pointer-for-weights");
    assert.deepEqual((await tab.harness("static", "cached")).value.filter(({ complete }) => complete), []);
  });
});

describe("a service worker that answers", () => {
  const OUTCOMES = {
    status: { code: "HTTP_STATUS" },
    error: { code: "NETWORK" },
    page: { warned: [] },
    empty: { warned: ["modules.json"] },
    opaque: { warned: ["modules.json"] },
  };
  for (const [answer, { code, warned }] of Object.entries(OUTCOMES)) {
    it(`with ${answer} for an optional file`, LIMIT, async () => {
      await control(answer, "/stanford/checkpoint/modules.json");
      const outcome = await tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "cpu", workerUrl: tab.url("pages/fault-worker.js") });
      if (warned) await assertLoads(outcome, warned);
      else assert.equal(outcome.error?.code, code);
    });
  }

  it("with a page for `config.json`: what came is told", LIMIT, async () => {
    await control("page", "/stanford/checkpoint/config.json");
    const { error } = await tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "cpu", workerUrl: tab.url("pages/fault-worker.js") });
    assert.equal(error.code, "INTEGRITY_FAILED");
    assert.match(error.message, /config\.json holds a web page/);
  });

  function control(answer, file) {
    const query = new URLSearchParams({ answer, file, elsewhere: hosts.url("closed-hidden", PATH) });
    return tab.page.evaluate(async (query) => {
      await navigator.serviceWorker.register(`host-worker.js?${query}`);
      await navigator.serviceWorker.ready;
      if (!navigator.serviceWorker.controller) await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
    }, query.toString());
  }
});

describe("what leaves the browser", () => {
  it("is for the package's own files and the model's, and another origin hears of no cookie and no page", LIMIT, async () => {
    await tab.context.addCookies([{ name: "session", value: "1", domain: "127.0.0.1", path: "/" }]);
    const asked = [];
    tab.context.on("request", (request) => asked.push(request.url()));
    browser.server.requests.length = 0;
    await assertLoads(await load("polite"), []);
    const own = browser.server.requests.map((request) => request.split("/").at(-1));
    assert.deepEqual(own.map((name) => name.replace(/-[A-Z\d]{8}\./, ".")).toSorted(), ["calls.js", "tabrank-relaxed.wasm", "worker.js"]);
    const [manifest, modules, ...rest] = hosts.names();
    assert.deepEqual([manifest, modules], ["tabrank.json", "modules.json"]);
    const known = ["tabrank.json", "modules.json", "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "artifact.metadata", "model.safetensors"];
    assert.deepEqual(rest.filter((name) => !known.includes(name)), []);
    for (const { headers } of hosts.requests) assert.deepEqual([headers.cookie, headers.referer], [undefined, undefined]);
    const origins = new Set([browser.server.url(""), hosts.url("", "")].map((url) => new URL(url).origin));
    assert.deepEqual(asked.filter((url) => !origins.has(new URL(url).origin)), []);
  });

  for (const manner of ["closed", "closed-hidden", "object-store", "modules-cut-off", "pickles-only"]) {
    it(`no secret of an address or a header is told: ${manner}`, LIMIT, async () => {
      const options = { query: "?X-Amz-Signature=SECRET", headers: { authorization: "Bearer SECRET" } };
      const outcome = await load(manner, options);
      assert.ok(hosts.requests.some(({ url, headers }) => url.includes("SECRET") && headers.authorization?.includes("SECRET")));
      assert.ok(!JSON.stringify(outcome).includes("SECRET"));
      assert.ok(!tab.complaints.some((complaint) => complaint.includes("Bearer")));
    });
  }
});
