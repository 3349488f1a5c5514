// An index beside the page: what the command line finds in it, and what whoever serves its files sees of that.
import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openPage } from "./lib/browser.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needCli, needPackage, OUTPUT } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };
const DOCUMENTS = 600;
const FOLDER = join(OUTPUT, "data/index");
const QUERIES = questions(6).map(({ text }) => text);
/** Few parts of many. */
const NARROW = { topK: 3, nIvfProbe: 1, nFullScores: 3 };

let browser;
let tab;
let tiny;
let model;
let manifest;
before(async () => {
  needPackage();
  needCli();
  tiny = await tinyCase("pylate");
  model = need(tiny.folder, "git checkout tests/fixtures");
  // As a store of page images has its keys.
  const documents = longTexts(DOCUMENTS, 600).map((text, index) => ({ id: `reports/${index >> 2} (final).pdf:page_${index & 3}`, text }));
  native.buildIndex(model, documents, FOLDER);
  manifest = JSON.parse(readFileSync(join(FOLDER, "index.json"), "utf8"));
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
  const { error } = await tab.harness("load", "model", tab.url(tiny.checkpoint), { device: "cpu" });
  assert.equal(error, undefined);
});
afterEach(() => tab?.close());

/** Files that were asked for since the last time. */
const asked = () => browser.server.requests.splice(0).map((line) => new URL(line.split(" ")[1], "http://host").pathname).flatMap((path) => (path.includes("/data/index") ? [path.split("/").at(-1)] : []));
const parts = (kind) => manifest.parts[kind].map(({ file }) => file);
const bytesOf = (files) => files.reduce((sum, file) => sum + statSync(join(FOLDER, file)).size, 0);

async function open(options = {}, url = tab.url("data/index/"), page = tab) {
  asked();
  const { value, error } = await page.harness("openIndex", "it", url, { reranker: "model", ...options });
  assert.equal(error, undefined, error?.message);
  return value;
}

async function search(query, options, page = tab) {
  const { value, error } = await page.harness("searchIndex", "it", query, options);
  assert.equal(error, undefined, error?.message);
  return value;
}

describe("a search", () => {
  it("finds what the command line finds, with the same scores", LIMIT, async () => {
    const { info } = await open();
    assert.equal(info.documents, DOCUMENTS);
    assert.equal(info.embeddingId, manifest.embeddingId);
    assert.equal(info.bytes, bytesOf(["codec", "lists", "documents"].flatMap(parts)));
    for (const query of QUERIES) {
      const expected = native.searchIndex(model, FOLDER, query, 20);
      assert.equal(expected.length, 20);
      assert.match(expected[0].id, /^reports\/\d+ \(final\)\.pdf:page_[0-3]$/);
      const { results } = await search(native.queryRows(model, query), { topK: 20 });
      assert.deepEqual(results, expected);
      const { results: encoded, timings } = await search(query, { topK: 20 });
      assert.deepEqual(encoded.map(({ id }) => id), expected.map(({ id }) => id));
      for (const [place, { score }] of encoded.entries()) assert.ok(Math.abs(score - expected[place].score) < 1e-4 * Math.abs(score), `${query}: ${score}`);
      assert.ok(timings.encode > 0 && timings.total >= timings.fetch);
    }
  });

  it("is given up at once, and the next one answered", LIMIT, async () => {
    await open();
    const [aborted, next] = await tab.harness("searchAborted", "it", QUERIES[0], 1, QUERIES[1]);
    assert.equal(aborted.error?.name, "AbortError");
    assert.equal(next.error, undefined);
    assert.deepEqual(next.value.results.map(({ id }) => id), native.searchIndex(model, FOLDER, QUERIES[1], 10).map(({ id }) => id));
  });

  it("goes on in a new worker where the browser ends the old one", LIMIT, async () => {
    await open({ limits: { silence: 3_000 } });
    const embeddings = native.queryRows(model, QUERIES[0]);
    const before = await search(embeddings);
    await tab.harness("killWorkers");
    const again = await search(embeddings);
    assert.deepEqual(again.results, before.results);
    // What the old worker was storing when it ended is asked for again.
    assert.ok(again.fetched.parts < before.fetched.parts, `${again.fetched.parts} of ${before.fetched.parts}`);
  });
});

describe("what the server sees", () => {
  it("probed: the codec, then the parts that a query leads to, and no part twice", LIMIT, async () => {
    await open();
    const opened = asked();
    assert.deepEqual(opened.toSorted(), ["index.json", ...parts("codec")].toSorted());
    const seen = new Set();
    for (const query of QUERIES) {
      const { results, fetched, read } = await search(query, NARROW);
      const files = asked();
      assert.deepEqual([fetched.parts, fetched.bytes], [files.length, bytesOf(files)]);
      assert.ok(read.parts >= fetched.parts);
      assert.ok(files.every((file) => !seen.has(file) && [...parts("lists"), ...parts("documents")].includes(file)));
      files.forEach((file) => seen.add(file));
      // Where each result's document lies.
      for (const { id } of results) assert.ok([...seen].some((file) => file.startsWith("documents-") && readFileSync(join(FOLDER, file)).includes(id)), id);
    }
    assert.ok(seen.size < [...parts("lists"), ...parts("documents")].length, "every part was asked for");
    for (const query of QUERIES) assert.equal((await search(query, NARROW)).fetched.parts, 0);
    assert.deepEqual(asked(), []);
  });

  it("all: every file once when it is opened, and then nothing", LIMIT, async () => {
    const { progress } = await open({ fetch: "all" });
    const [first, ...others] = asked();
    assert.equal(first, "index.json");
    assert.deepEqual(others.toSorted(), ["codec", "lists", "documents"].flatMap(parts).toSorted());
    const total = bytesOf(["codec", "lists", "documents"].flatMap(parts));
    assert.deepEqual(progress.at(-1), { loaded: total, total });
    await tab.page.evaluate(() => caches.keys().then((names) => Promise.all(names.map((name) => caches.delete(name)))));
    for (const query of QUERIES) {
      const { results } = await search(native.queryRows(model, query));
      assert.deepEqual(results, native.searchIndex(model, FOLDER, query, 10));
    }
    assert.deepEqual(asked(), []);
  });

  it("of the next visit: the manifest, until it is cleared", LIMIT, async () => {
    await open();
    const { read } = await search(QUERIES[0]);
    const stored = async (count) => (await (await caches.open("tabrank-index-v1")).keys()).filter(({ url }) => url.includes("/blobs/")).length >= count;
    await tab.page.waitForFunction(stored, 1 + parts("codec").length + read.parts);
    const next = await browser.newPackagePage({ context: tab.context });
    await next.harness("load", "model", next.url(tiny.checkpoint), { device: "cpu" });
    await open({}, undefined, next);
    assert.deepEqual(await search(QUERIES[0], {}, next).then(({ fetched }) => fetched), { parts: 0, bytes: 0 });
    assert.deepEqual(asked(), ["index.json"]);
    assert.equal(await next.harness("clearIndex", next.url("data/index/")), true);
    await open({}, undefined, next);
    assert.equal(asked().length, 1 + parts("codec").length);
    await next.close();
  });

  it("that cannot be reached: nothing, and all of an index that was fetched whole is searched, on another page too", LIMIT, async () => {
    const others = [await browser.newPackagePage({ context: tab.context }), await browser.newPackagePage({ context: tab.context })];
    await open({ fetch: "all" });
    for (const page of others) await page.harness("load", "model", page.url(tiny.checkpoint), { device: "cpu" });
    await tab.context.route("**/data/index/**", (route) => route.abort("internetdisconnected"));
    asked();
    const [same, whole] = others;
    for (const [page, fetch] of [[same, "probed"], [whole, "all"]]) {
      await open({ fetch }, undefined, page);
      for (const query of QUERIES) {
        const { results, fetched } = await search(native.queryRows(model, query), {}, page);
        assert.deepEqual(results, native.searchIndex(model, FOLDER, query, 10));
        assert.equal(fetched.parts, 0);
      }
    }
    assert.deepEqual(asked(), []);
    await tab.harness("clearIndex", tab.url("data/index/"));
    const { error } = await whole.harness("openIndex", "other", whole.url("data/index/"), { reranker: "model" });
    assert.equal(error.code, "NETWORK");
    for (const page of others) await page.close();
  });

  it("of a page that keeps nothing: each part once a visit", LIMIT, async () => {
    await open({ cache: "off" });
    await search(QUERIES[0]);
    const { fetched } = await search(QUERIES[0]);
    assert.equal(fetched.parts, 0);
    assert.deepEqual(await tab.page.evaluate(() => caches.keys().then((names) => names.filter((name) => name.includes("index")))), []);
  });

  it("of a page without a secure context, which can keep and hash nothing: each part once a visit too", LIMIT, async () => {
    const plain = await browser.newPackagePage({ host: "insecure.example" });
    asked();
    const { error } = await plain.harness("openIndex", "it", plain.url("data/index/"));
    assert.equal(error, undefined, error?.message);
    const embeddings = native.queryRows(model, QUERIES[0]);
    const { results, warnings } = await search(embeddings, {}, plain);
    assert.deepEqual(results, native.searchIndex(model, FOLDER, QUERIES[0], 10));
    assert.deepEqual(warnings, []);
    assert.equal((await search(embeddings, {}, plain)).fetched.parts, 0);
    await plain.close();
  });

  it("of an address with a query, below the page's own: that query with each file", LIMIT, async () => {
    asked();
    const { error } = await tab.harness("openIndex", "it", "../data/index?v=7", { reranker: "model" });
    assert.equal(error, undefined);
    await search(QUERIES[0]);
    const lines = browser.server.requests.splice(0).filter((line) => line.includes("/data/index"));
    assert.ok(lines.length > 2);
    for (const line of lines) assert.match(line, /^GET \/some\/project\/open\/data\/index\/[\w.-]+\?v=7$/);
  });
});

describe("an index that is", () => {
  const broken = (change) => {
    const folder = join(OUTPUT, "data/index-broken");
    rmSync(folder, { recursive: true, force: true });
    cpSync(FOLDER, folder, { recursive: true });
    change(folder);
    return tab.url("data/index-broken/");
  };
  const file = () => manifest.parts.documents[0].file;
  const everything = (url) => tab.harness("openIndex", "it", url, { reranker: "model", fetch: "all" }).then(({ error }) => error);

  it("without a part names it", LIMIT, async () => {
    const error = await everything(broken((folder) => rmSync(join(folder, file()))));
    assert.equal(error.code, "HTTP_STATUS");
    assert.ok(error.message.includes(file()), error.message);
    assert.equal(error.details.status, 404);
  });

  it("cut names the part", LIMIT, async () => {
    const error = await everything(broken((folder) => writeFileSync(join(folder, file()), readFileSync(join(FOLDER, file())).subarray(1))));
    assert.equal(error.code, "INTEGRITY_FAILED");
    assert.ok(error.message.includes(file()), error.message);
  });

  it("changed in one bit names the part, also where a search is the first to read it", LIMIT, async () => {
    const damage = (kind) => broken((folder) => {
      for (const { file } of manifest.parts[kind]) {
        const bytes = readFileSync(join(folder, file));
        bytes[bytes.length >> 1] ^= 1;
        writeFileSync(join(folder, file), bytes);
      }
    });
    const error = await everything(damage("documents"));
    assert.equal(error.code, "INTEGRITY_FAILED");
    assert.match(error.message, /documents-\w+\.safetensors/);
    await open({ cache: "off" }, damage("lists"));
    const { error: found } = await tab.harness("searchIndex", "it", QUERIES[0]);
    assert.equal(found.code, "INTEGRITY_FAILED");
    assert.match(found.message, /lists-\w+\.bin/);
  });

  it("of another model is refused", LIMIT, async () => {
    const other = await tinyCase("modernbert-pylate");
    await tab.harness("load", "other", tab.url(other.checkpoint), { device: "cpu" });
    const { error } = await tab.harness("openIndex", "it", tab.url("data/index/"), { reranker: "other" });
    assert.equal(error.code, "MODEL_MISMATCH");
    assert.ok(error.message.includes(manifest.embeddingId), error.message);
  });

  it("on another origin is fetched where that allows it, by way of a redirect too, and else says what is missing", LIMIT, async () => {
    const elsewhere = (policy) => browser.server.url(`${policy}/data/index/`, "localhost");
    for (const url of [elsewhere("shared"), browser.server.url("moved/data/index/")]) {
      await open({ cache: "off" }, url);
      assert.equal((await search(QUERIES[0])).results.length, 10);
    }
    const { error } = await tab.harness("openIndex", "it", elsewhere("open"), { reranker: "model" });
    assert.equal(error.code, "NETWORK");
    assert.match(error.hint, /Access-Control-Allow-Origin/);
    assert.ok(error.message.includes("index.json"), error.message);
  });

  it("searched under a strict policy is searched as anywhere", LIMIT, async () => {
    const context = await browser.browser.newContext();
    const { page, complaints } = await openPage(context, browser.server.url("strict/pages/empty.html"));
    const call = async ([package_, url, workerUrl, numbers]) => {
      const { Index } = await import(package_);
      const index = await Index.open(url, { workerUrl });
      return (await index.search({ embeddings: Float32Array.from(numbers) })).results;
    };
    const own = (path) => browser.server.url(`strict/${path}`);
    const results = await page.evaluate(call, [own("package/index.js"), own("data/index/"), own("package/worker.js"), native.queryRows(model, QUERIES[0])]);
    assert.deepEqual(results, native.searchIndex(model, FOLDER, QUERIES[0], 10));
    assert.deepEqual(complaints, []);
    await context.close();
  });
});
