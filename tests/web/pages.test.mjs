// Pages as images in a browser: are their embeddings, scores and heat maps those of the reference, on both devices and by however many workers, and are files read as it reads them?
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needPackage, OUTPUT } from "./lib/paths.mjs";
import { makeReport } from "./lib/pdf.mjs";
import { pictureFile, visualCase } from "./lib/visual.mjs";

const LIMIT = { timeout: 240_000 };

const { checkpoint, folder, queries, pages, scores, maps } = visualCase();
const asked = pages.map(({ width, height, rgba }) => ({ width, height, rgba }));

function close(found, expected, what, tolerance) {
  assert.equal(found.length, expected.length, what);
  const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]) / Math.max(Math.abs(expected[at]), 1)), 0);
  assert.ok(worst <= tolerance, `${what} is off by ${worst}`);
}

async function value(promise) {
  const { value, error } = await promise;
  assert.equal(error, undefined, error?.message);
  return value;
}

let browser;
let tab;

async function open(options, webgpu = false) {
  needPackage();
  browser = await openBrowser({ webgpu });
  tab = await browser.newPackagePage();
  return value(tab.harness("load", "it", tab.url(checkpoint), options));
}

describe("pages on the CPU", () => {
  before(() => open({ device: "cpu", workers: 1 }));
  after(() => browser?.close());

  it("have the reference's embeddings, each at its place", LIMIT, async () => {
    const { pages: found, told } = await value(tab.harness("encodePages", "it", asked));
    for (const [at, { rows, columns, patches, size, embeddings }] of pages.entries()) {
      close(found[at].embeddings, embeddings, `page ${at}`, 1e-4);
      assert.deepEqual(found[at].mask, patches);
      assert.deepEqual([found[at].grid, found[at].page, found[at].tile], [[2 * rows, 2 * columns], size, 2]);
    }
    const last = told.at(-1);
    assert.deepEqual([last.phase, last.done, last.total], ["encode", pages.length, pages.length]);
  });

  it("have the reference's scores and heat maps, also from a list of embeddings", LIMIT, async () => {
    await value(tab.harness("encodePages", "it", asked));
    for (const [at, { text }] of queries.entries()) {
      if (text === "") continue;
      const answer = await value(tab.harness("askPages", "it", text, 0));
      const expected = pages.map(({ index }) => scores[at][index]);
      close(answer.scores, expected, `query ${at}`, 1e-4);
      close(answer.listed, expected, `query ${at}, from a list`, 1e-4);
    }
    for (const { page, query, grid, maps: expected } of maps.filter(({ query }) => query === 0)) {
      const { matches, maps: found } = await value(tab.harness("askPages", "it", queries[query].text, pages.findIndex(({ index }) => index === page)));
      found.forEach((map, token) => close(map, expected[token], `map of page ${page}, token ${token}`, 1e-4));
      for (const [token, { patch }] of matches.entries()) {
        if (!patch || patch.overview) continue;
        const best = expected[token].indexOf(Math.max(...expected[token]));
        assert.equal(patch.row * grid[1] + patch.column, best, `the patch that token ${token} matches on page ${page}`);
      }
    }
  });

  it("are their patches alone, or fewer, where that is wanted", LIMIT, async () => {
    const [patches] = (await value(tab.harness("encodePages", "it", asked.slice(0, 1), { onlyPatches: true }))).pages;
    const only = pages[0].patches.flatMap((isPatch, row) => (isPatch ? [...pages[0].embeddings.subarray(16 * row, 16 * row + 16)] : []));
    close(patches.embeddings, only, "patches", 1e-4);
    assert.ok(patches.mask.every((isPatch) => isPatch === 1));
    const [fewer] = (await value(tab.harness("encodePages", "it", asked.slice(0, 1), { longestEdge: 64 }))).pages;
    assert.deepEqual(fewer.grid, [4, 4]);
    const { error } = await tab.harness("encodePages", "it", asked.slice(0, 1), { longestEdge: 4_096 });
    assert.equal(error.code, "INVALID_INPUT");
  });

  it("that the command line has encoded are found as it finds them, with ids, grids, scores and patches", LIMIT, async () => {
    const store = join(OUTPUT, "data/pages-store.safetensors");
    native.encodePages(need(folder, "git checkout tests/fixtures"), makeReport(), store);
    const query = "the price of oil";
    const expected = native.searchPages(need(folder, "git checkout tests/fixtures"), store, query);
    const found = await value(tab.harness("askStore", "it", query, tab.url("data/pages-store.safetensors")));
    const facts = (pages) => pages.map(({ id, rank, grid, page }) => ({ id, rank, grid, page }));
    assert.deepEqual(facts(found), facts(expected));
    assert.deepEqual(found.map(({ id }) => id).toSorted(), [1, 2, 3].map((page) => `${store.replace(/safetensors$/, "pdf")}:page_${page}`));
    for (const [at, { score, matches }] of found.entries()) {
      close([score], [expected[at].score], `score ${at}`, 1e-5);
      assert.equal(matches.length, expected[at].matches.length);
      for (const [token, { similarity, patch }] of matches.entries()) {
        const { row, column, rectangle, similarity: told } = expected[at].matches[token];
        close([similarity], [told], `similarity of token ${token}`, 1e-5);
        assert.deepEqual(patch && [patch.row, patch.column], row === undefined ? undefined : [row, column]);
        if (patch) close(Object.values(patch.rectangle), Object.values(rectangle), `rectangle of token ${token}`, 1e-5);
      }
    }
  });

  it("are aborted between two tiles, and leave the worker at once", LIMIT, async () => {
    const { error } = await tab.harness("encodePages", "it", asked, { abortAfter: 2 });
    assert.equal(error.name, "AbortError");
    await value(tab.harness("encodePages", "it", asked.slice(0, 1)));
  });

  for (const name of ["rgb.png", "grey.png", "palette.png", "orientation-6.png", "dot.png", "black-white.png"]) {
    it(`of ${name} are those of the pixels that the reference reads`, LIMIT, async () => {
      const { path, ...pixels } = pictureFile(name);
      const [file, drawn] = (await value(tab.harness("encodePages", "it", [{ url: tab.url(path) }, pixels]))).pages;
      assert.deepEqual(file, drawn);
    });
  }

  for (const name of ["full-colour.jpg", "grey.jpg", "progressive.jpg", "cmyk-adobe.jpg", "cmyk.tif", "lossless.webp"]) {
    it(`of ${name} are near those`, LIMIT, async () => {
      const { path, ...pixels } = pictureFile(name);
      const [file, drawn] = (await value(tab.harness("encodePages", "it", [{ url: tab.url(path) }, pixels]))).pages;
      assert.deepEqual(file.page, drawn.page);
      // Decoders differ by a step or two, and weights are random and large.
      const cosine = file.embeddings.reduce((sum, one, at) => sum + one * drawn.embeddings[at], 0) / file.mask.length;
      assert.ok(cosine > 0.9, `mean cosine ${cosine}`);
    });
  }

  for (const name of ["rgba.png", "grey-alpha.png", "palette-alpha.png", "rgb-key.png", "rgb-16.png", "rgba-16.png", "rgb.tif", "lzw.tif", "orientation-8.tif"]) {
    it(`of ${name}, which browsers read otherwise, are those of the pixels that the reference reads`, LIMIT, async () => {
      const { path, ...pixels } = pictureFile(name);
      const [file, drawn] = (await value(tab.harness("encodePages", "it", [{ url: tab.url(path) }, pixels]))).pages;
      assert.deepEqual(file, drawn);
    });
  }

  it("of what is no image are refused by their place", LIMIT, async () => {
    const { error } = await tab.harness("encodePages", "it", [asked[0], { url: tab.url(`${checkpoint}config.json`) }]);
    assert.deepEqual([error.code, /^pages\[1\] is no image/.test(error.message)], ["INVALID_INPUT", true]);
  });
});

describe("twenty large pages", () => {
  before(() => open({ device: "cpu", workers: 1, workerUrl: "../pages/memory-worker.js" }));
  after(() => browser?.close());

  it("take no more memory than one", LIMIT, async (test) => {
    const large = (count) => Array.from({ length: count }, (_, seed) => ({ width: 1_240, height: 1_754, seed: seed + 1 }));
    const one = await value(tab.harness("pageMemory", "it", large(1)));
    const twenty = await value(tab.harness("pageMemory", "it", large(20)));
    test.diagnostic(`${one / 1e6} MB for one, ${twenty / 1e6} MB for twenty`);
    assert.ok(one > 0 && twenty <= one + 4e6, `${one} bytes for one, ${twenty} for twenty`);
  });
});

describe("pages by several workers", () => {
  before(() => open({ device: "cpu", workers: 2 }));
  after(() => browser?.close());

  it("are those of one to the bit, and those of a worker that died are read by another", LIMIT, async () => {
    await value(tab.harness("load", "one", tab.url(checkpoint), { device: "cpu", workers: 1 }));
    const alone = (await value(tab.harness("encodePages", "one", asked))).pages;
    for (let round = 0; round < 3; round++) assert.deepEqual((await value(tab.harness("encodePages", "it", asked))).pages, alone);
    await tab.harness("killWorkers");
    const { value: after, error } = await tab.harness("encodePages", "it", asked);
    if (error) assert.fail(error.message);
    assert.deepEqual(after.pages, alone);
  });
});

/** The mean cosine of a page's embeddings with another's. */
const cosineOf = (found, other) => found.embeddings.reduce((sum, one, at) => sum + one * other.embeddings[at], 0) / found.mask.length;

describe("pages of quantized weights", () => {
  before(() => open({ device: "cpu", workers: 1 }));
  after(() => browser?.close());

  for (const [dtype, least] of Object.entries({ f16: 0.999, q8: 0.95, q4: 0.5 })) {
    it(`in ${dtype}, converted in the browser, are near those of the weights as they are, and are stored with the rest`, LIMIT, async () => {
      await value(tab.harness("load", dtype, tab.url(checkpoint), { device: "cpu", dtype }));
      const { pages: found, told } = await value(tab.harness("encodePages", dtype, asked.slice(0, 2)));
      assert.ok(told.every(({ phase }) => phase === "encode"));
      const [plain] = (await value(tab.harness("encodePages", "it", asked.slice(0, 1)))).pages;
      const cosine = cosineOf(found[0], plain);
      assert.ok(cosine > least, `mean cosine ${cosine}`);
      browser.server.requests.length = 0;
      await value(tab.harness("load", "again", tab.url(checkpoint), { device: "cpu", dtype }));
      assert.deepEqual((await value(tab.harness("encodePages", "again", asked.slice(0, 2)))).pages, found);
      assert.deepEqual(browser.server.requests.filter((line) => line.includes("safetensors")), []);
    });
  }

  for (const dtype of ["f16", "q8"]) {
    it(`in ${dtype}: a bundle brings its page side with the first page, once, and computes about what is converted in the browser`, LIMIT, async () => {
      const bundle = prepareBundle(`pages-${dtype}`, folder, dtype);
      const sides = bundle.shards.filter((name) => name.startsWith("pages-"));
      assert.ok(sides.length > 0, "the command line has left the page side out");
      const requested = () => browser.server.requests.filter((line) => line.includes(`${bundle.path}pages-`)).length;
      browser.server.requests.length = 0;
      const loaded = await value(tab.harness("load", "bundle", tab.url(bundle.path), { device: "cpu" }));
      assert.deepEqual([loaded.model.pages.longestEdge, requested()], [96, 0]);
      const { pages: found, told } = await value(tab.harness("encodePages", "bundle", asked.slice(0, 2)));
      assert.ok(told.some(({ phase }) => phase === "fetch"));
      await value(tab.harness("load", "again", tab.url(bundle.path), { device: "cpu" }));
      assert.deepEqual((await value(tab.harness("encodePages", "again", asked.slice(0, 2)))).pages, found);
      assert.equal(requested(), sides.length);
      await value(tab.harness("load", "converted", tab.url(checkpoint), { device: "cpu", dtype }));
      const [made] = (await value(tab.harness("encodePages", "converted", asked.slice(0, 1)))).pages;
      // What the weights are balanced by is measured, and rounds otherwise natively.
      assert.ok(cosineOf(made, found[0]) > 0.98, `mean cosine ${cosineOf(made, found[0])}`);
    });
  }
});

it("pages on WebGPU have the reference's embeddings", LIMIT, async () => {
  await open({ device: "webgpu" }, true);
  try {
    const { pages: found } = await value(tab.harness("encodePages", "it", asked.slice(2, 3)));
    close(found[0].embeddings, pages[2].embeddings, "page 2", 1e-3);
  } finally {
    await browser.close();
  }
});
