// How soon is a call given up: by the page at once, by the worker as soon as it looks at its messages? Prints what it measures.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openEngine } from "./lib/engine.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needCli, needMiniLm, needPackage, needWasm } from "./lib/paths.mjs";
import { longTexts } from "./lib/texts.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 180_000 };
/** Milliseconds that are aimed at, and those that a machine with other work may take. */
const PAGE = { due: 50, most: 100 };
const WORKER = { due: 50, most: 150 };
const GAP = { due: 50, most: 150 };
/** What other work on the machine costs strikes one try, what the engine costs every one. */
const TRIES = 3;

const MINILM = "models/all-MiniLM-L6-v2/";
const QUERY = "Which team won the championship?";
const DOCUMENTS = longTexts(60, 1400);
/** A million characters each: the tokenizer alone takes a while. */
const HUGE = longTexts(8, 1_000_000);

/** Where a rerank is given up: after so many milliseconds, or once so many documents are done. */
const MOMENTS = {
  "as it begins": [DOCUMENTS, { after: 0 }],
  "while a text of a million characters is tokenized": [HUGE, { after: 30 }],
  "later in texts of a million characters": [HUGE, { after: 200 }],
  "while the first batch is encoded": [DOCUMENTS, { after: 100 }],
  "a little later": [DOCUMENTS, { after: 140 }],
  "once a batch is done": [DOCUMENTS, { done: 1 }],
  "between later batches": [DOCUMENTS, { done: 20 }],
};

const bundles = {};
before(() => {
  needPackage();
  needWasm();
  needCli();
  needMiniLm();
  bundles.q8 = prepareBundle("abort-q8", MINILM, "q8");
});

for (const dtype of ["q8", "f32"]) {
  describe(`an aborted rerank of the default model in ${dtype}`, () => {
    let browser;
    let tab;
    let alone;
    before(async () => {
      browser = await openBrowser({ webgpu: false });
      tab = await browser.newPackagePage();
      const { error } = await tab.harness("load", "it", tab.url(dtype === "q8" ? bundles.q8.path : MINILM), { device: "cpu", cache: "off" });
      assert.equal(error, undefined);
      // The browser goes on optimizing the module for a while.
      await tab.harness("rerank", "it", QUERY, DOCUMENTS.slice(0, 8));
      alone = median(await tab.harness("smallCalls", "it", 9));
    });
    after(() => browser?.close());

    for (const [moment, [documents, when]] of Object.entries(MOMENTS)) {
      it(moment, LIMIT, async (test) => {
        const { late, busy } = await inSomeTries(async () => {
          const { error, late, answered, reached } = await tab.harness("abortAt", "it", QUERY, documents, when);
          const busy = answered - alone;
          test.diagnostic(`${dtype}, ${moment}: rejected after ${ms(late)}, the worker free after ${ms(busy)} (due: ${PAGE.due} ms each), ${reached} documents done`);
          assert.equal(error?.name, "AbortError", "it had ended before");
          return { late, busy, isFine: late < PAGE.most && busy < WORKER.most };
        });
        assert.ok(late < PAGE.most, `it rejected after ${ms(late)}`);
        assert.ok(busy < WORKER.most, `the worker went on for ${ms(busy)}`);
      });
    }

    it("leaves the next one right", LIMIT, async () => {
      const { value } = await tab.harness("rerank", "it", "the price of oil", ["bread", "the price of oil"]);
      assert.deepEqual(value.results.map(({ index }) => index), [1, 0]);
    });
  });
}

describe("an aborted rerank on WebGPU", () => {
  let browser;
  before(async () => (browser = await openBrowser({ webgpu: true })));
  after(() => browser?.close());

  it("rejects at once, and the next one is right", LIMIT, async (test) => {
    const tiny = await tinyCase("plain");
    const tab = await browser.newPackagePage();
    const { value } = await tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "webgpu" });
    assert.equal(value?.device, "webgpu");
    // Those that are the same would be encoded once.
    const many = Array.from({ length: 50 }, (_, time) => tiny.documents.map((text) => `${time} ${text}`)).flat();
    const { error, late, answered, reached } = await tab.harness("abortAt", "it", tiny.query, many, { after: 20 });
    test.diagnostic(`WebGPU in software: rejected after ${ms(late)}, a small call answered after ${ms(answered)}, ${reached} documents done`);
    assert.equal(error?.name, "AbortError", "it had ended before");
    assert.ok(late < PAGE.most, `it rejected after ${ms(late)}`);
    const documents = tiny.documents.slice(0, 1);
    assertRanked(await tab.harness("rerank", "it", tiny.query, documents), { ...tiny, documents }, 1e-3);
    assert.equal(await tab.harness("device", "it"), "webgpu");
  });
});

describe("the engine looks at its hooks", () => {
  let engine;
  afterEach(() => engine?.close());

  /** The same call looks at the same places in every try, and other work strikes other places: the shortest of the times at each place counts. */
  const measure = async (test, what, run) => {
    let shortest;
    for (let tries = 1; tries <= TRIES; tries++) {
      const { gaps, stages } = await run();
      assert.equal(gaps.length, shortest?.length ?? gaps.length, `${what}: it looked more or less often than before`);
      shortest = shortest?.map((gap, place) => Math.min(gap, gaps[place])) ?? gaps;
      const widest = Math.max(...shortest);
      const place = shortest.indexOf(widest);
      const outcome = { what, widest, stage: stages[place], isFine: widest < GAP.most };
      if (!outcome.isFine && tries < TRIES) continue;
      test.diagnostic(`${what}: ${gaps.length} looks, at most ${ms(widest)} apart (due: ${GAP.due} ms), in ${stages[place]} before look ${place}, after ${tries} tries`);
      return outcome;
    }
  };

  const assertFine = ({ what, widest, stage, isFine }) => assert.ok(isFine, `${what}: ${ms(widest)} without a look, in ${stage}`);

  for (const dtype of ["q8", "f32"]) {
    it(`often enough in a rerank in ${dtype}`, LIMIT, async (test) => {
      engine = await openEngine({ webgpu: false });
      const address = { checkpoint: engine.url(dtype === "q8" ? bundles.q8.path : MINILM), expected: engine.url("fixtures/minilm/") };
      const run = (documents, options = {}) => engine.call("rerank", address, "cpu", QUERY, documents, options);
      await run(DOCUMENTS.slice(0, 8));
      // All are printed before one fails.
      const measured = [
        await measure(test, `rerank in ${dtype}`, () => run(DOCUMENTS)),
        await measure(test, `rerank in ${dtype} with explanations`, () => run(DOCUMENTS.slice(0, 20), { explain: true })),
        await measure(test, `rerank in ${dtype} of texts of a million characters`, () => run(HUGE.slice(0, 3))),
      ];
      measured.forEach(assertFine);
    });
  }

  for (const dtype of ["q8", "q4"]) {
    it(`often enough in a conversion to ${dtype}`, LIMIT, async (test) => {
      engine = await openEngine({ webgpu: false });
      assertFine(await measure(test, `conversion to ${dtype}`, () => engine.call("convertFolder", engine.url(MINILM), dtype)));
    });
  }
});

/** The first try that is fine, or the last one. */
async function inSomeTries(attempt) {
  for (let tries = 1; ; tries++) {
    const outcome = await attempt();
    if (outcome.isFine || tries === TRIES) return outcome;
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function ms(milliseconds) {
  return `${milliseconds.toFixed(1)} ms`;
}
