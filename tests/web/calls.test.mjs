// Calls of the package in a page: aborted, queued, disposed of, and documents that come back as they are.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needCli, needMiniLm, needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 60_000 };
const MOMENTS = 40;
const MINILM = "models/all-MiniLM-L6-v2/";

let browser;
let tab;
let tiny;
before(async () => {
  needPackage();
  needCli();
  needMiniLm();
  tiny = await tinyCase("pylate");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
});
afterEach(async () => {
  const complaints = tab?.complaints;
  await tab?.close();
  assert.deepEqual(complaints, []);
});

const loadTiny = () => tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "cpu" });

describe("abort", () => {
  it("before the load: no worker is started", LIMIT, async () => {
    const { error } = await tab.harness("loadAborted", tab.url(tiny.checkpoint));
    assert.equal(error.name, "AbortError");
    assert.equal(await tab.harness("workers"), 0);
  });

  it("during the download: the load rejects at once, its worker ends and the network rests", LIMIT, async () => {
    const { error, late, after } = await tab.harness("abortLoad", tab.url(MINILM), "download");
    assert.equal(error.name, "AbortError");
    assert.ok(late < 100, `it took ${late} ms`);
    assert.equal(after, 0, "progress was reported after the abort");
    assert.equal(await tab.harness("liveWorkers"), 0);
    assert.equal((await tab.harness("static", "isCached", tab.url(MINILM))).value, false);
  });

  it("at any moment of a load: it rejects at once, no worker is left, and the next load works", LIMIT, async (test) => {
    const begin = performance.now();
    await loadTiny();
    const whole = performance.now() - begin;
    await tab.harness("dispose", "it");
    const lates = [];
    for (let moment = 0; moment < MOMENTS; moment++) {
      const { error, late } = await tab.harness("abortLoadAfter", tab.url(tiny.checkpoint), (whole * 1.2 * moment) / MOMENTS, { cache: moment % 2 ? "use" : "off" });
      assert.equal(await tab.harness("liveWorkers"), 0);
      if (late === undefined) continue;
      assert.equal(error.name, "AbortError");
      lates.push(late);
    }
    test.diagnostic(`${lates.length} of ${MOMENTS} aborts were in time: rejected after ${Math.max(...lates).toFixed(1)} ms at most (due: 20)`);
    assert.ok(lates.length > MOMENTS / 4);
    assert.ok(Math.max(...lates) < 100);
    await loadTiny();
    assertRanked(await tab.harness("rerank", "it", tiny.query, tiny.documents), tiny);
  });

  it("during a rerank: it rejects at once, and the next call is right", LIMIT, async () => {
    await tab.harness("load", "it", tab.url(MINILM), { device: "cpu" });
    const documents = Array.from({ length: 24 }, (_, i) => `Document ${i} tells of the price of oil. `.repeat(7));
    const { error, late, after } = await tab.harness("abortRerank", "it", "the price of oil", documents);
    assert.equal(error.name, "AbortError");
    assert.ok(late < 100, `it took ${late} ms`);
    assert.equal(after, 0, "progress was reported after the abort");
    const { value } = await tab.harness("rerank", "it", "the price of oil", ["bread", "the price of oil"]);
    assert.equal(value.results[0].index, 1);
  });
});

describe("dispose", () => {
  it("ends the worker; open calls and later ones reject with DISPOSED, and twice is no error", LIMIT, async () => {
    await loadTiny();
    const codes = await tab.page.evaluate(async ([query, documents]) => {
      const open = globalThis.harness.rerank("it", query, documents);
      globalThis.harness.dispose("it");
      globalThis.harness.dispose("it");
      return [(await open).error.code, (await globalThis.harness.rerank("it", query, documents)).error.code];
    }, [tiny.query, tiny.documents]);
    assert.deepEqual(codes, ["DISPOSED", "DISPOSED"]);
    assert.equal(await tab.harness("liveWorkers"), 0);
    // The browser tells of the end a little later.
    if (tab.page.workers().length > 0) await tab.page.workers()[0].waitForEvent("close");
  });

  it("comes by itself at the end of a block with `using`, as the engine or a compiler has it", LIMIT, async () => {
    await loadTiny();
    const { error } = await tab.harness("rerankWithin", "it", tiny.query, tiny.documents);
    assert.equal(error.code, "DISPOSED");
    assert.equal(await tab.harness("liveWorkers"), 0);
  });
});

describe("calls", () => {
  it("with the default model give what the command line gives", LIMIT, async () => {
    const corpus = await readFile(need("tests/data/squad-dev-a/corpus.jsonl", "git checkout tests/data"), "utf8");
    const texts = corpus.split("\n", 5).map((line) => JSON.parse(line).text);
    const query = "Which team won the championship?";
    await tab.harness("load", "it", tab.url(MINILM), { device: "cpu" });
    const expected = native.rerank(need(MINILM, "make site"), query, texts);
    const { value } = await tab.harness("rerank", "it", query, texts);
    assert.deepEqual(value.results.map(({ index }) => index), expected.map(({ index }) => index));
    for (const [place, { score }] of value.results.entries()) {
      assert.ok(Math.abs(score - expected[place].score) < 1e-4 * Math.max(1, expected[place].score), `${score}, expected ${expected[place].score}`);
    }
  });

  it("work in a page that is isolated from other origins", LIMIT, async () => {
    const isolated = await browser.newPackagePage({ policy: "isolated" });
    assert.equal(await isolated.page.evaluate(() => crossOriginIsolated), true);
    await isolated.harness("load", "it", isolated.url(tiny.checkpoint), { device: "cpu" });
    assertRanked(await isolated.harness("rerank", "it", tiny.query, tiny.documents), tiny);
    await isolated.close();
  });

  it("take files that are in shared memory or in buffers that can be resized, and refuse what was transferred", LIMIT, async () => {
    const isolated = await browser.newPackagePage({ policy: "isolated" });
    const load = (kind) =>
      isolated.page.evaluate(
        async ([folder, kind, query, documents]) => {
          const files = {};
          for (const name of ["config.json", "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "1_Dense/config.json", "1_Dense/model.safetensors"]) {
            const response = await fetch(folder + name);
            if (response.ok) files[name] = await response.arrayBuffer();
          }
          const make = {
            shared: (length) => new SharedArrayBuffer(length),
            resizable: (length) => new ArrayBuffer(length, { maxByteLength: 2 * length }),
          }[kind];
          for (const [name, buffer] of make ? Object.entries(files) : []) {
            files[name] = make(buffer.byteLength);
            new Uint8Array(files[name]).set(new Uint8Array(buffer));
          }
          if (kind === "transferred") structuredClone(files["model.safetensors"], { transfer: [files["model.safetensors"]] });
          if (kind === "proxy") files["model.safetensors"] = new Proxy(new Blob([files["model.safetensors"]]), {});
          const { error } = await globalThis.harness.load("it", files, { device: "cpu" });
          return error ? { error } : globalThis.harness.rerank("it", query, documents);
        },
        [isolated.url(tiny.checkpoint), kind, tiny.query, tiny.documents],
      );
    for (const kind of ["shared", "resizable"]) assertRanked(await load(kind), tiny);
    for (const kind of ["transferred", "proxy"]) {
      const { error } = await load(kind);
      assert.equal(error.code, "INVALID_INPUT");
      assert.equal(error.message, 'source["model.safetensors"] cannot be read: it was transferred, or is a proxy of a file');
    }
    const complaints = isolated.complaints.filter((complaint) => !complaint.includes("404"));
    await isolated.close();
    assert.deepEqual(complaints, []);
  });

  it("ten at once give what each gives alone", LIMIT, async () => {
    await loadTiny();
    const outcomes = await tab.page.evaluate(
      ([query, documents]) => Promise.all(Array.from({ length: 10 }, () => globalThis.harness.rerank("it", query, documents))),
      [tiny.query, tiny.documents],
    );
    for (const outcome of outcomes) assertRanked(outcome, tiny);
    const scores = outcomes.map(({ value }) => value.results.map(({ score }) => score));
    assert.deepEqual(new Set(scores.map(String)).size, 1);
  });

  it("give back the caller's own objects, in the asked number", LIMIT, async () => {
    await loadTiny();
    const same = await tab.harness("ownObjects", "it", tiny.query, tiny.documents);
    assert.deepEqual(same, { identical: true, count: 3, ranks: [1, 2, 3] });
  });

  it("explain a score by the query's tokens, at their places in the text", LIMIT, async () => {
    await loadTiny();
    const text = "👩 oil, and the crisis";
    const { value } = await tab.harness("call", "it", "explain", "oil crisis", text);
    const sum = value.matches.reduce((total, { similarity }) => total + similarity, 0);
    assert.ok(Math.abs(sum - value.score) < 1e-4);
    const placed = value.matches.filter(({ document }) => document.start !== null);
    assert.ok(placed.length > 0);
    for (const { document } of placed) assert.ok(document.start >= 0 && document.end <= text.length && document.start < document.end);
  });
});
