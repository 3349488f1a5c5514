// Results while they come, budgets and estimates, against the call that is left alone. Prints what it measures.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needMiniLm, needPackage } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 300_000 };

/** Milliseconds that a budget may be passed by, on a machine with other work. */
const LATE = 250;

/** How far from the truth an estimate may be, on such a machine. */
const WRONG = 2.5;

/** A model's folder, a list that takes it some seconds, or a good part of one, and how many workers it has. */
const MODELS = {
  "the default model": async () => {
    needMiniLm();
    return { folder: "models/all-MiniLM-L6-v2/", documents: longTexts(24, 1400), workers: 2 };
  },
  "a tiny one": async () => ({ folder: (await tinyCase("pylate")).checkpoint, documents: longTexts(600, 400), workers: 1 }),
};

for (const [what, prepare] of Object.entries(MODELS)) {
  describe(what, () => {
    const query = questions(1)[0].text;
    let browser;
    let tab;
    let documents;
    let workers;
    let plain;
    before(async () => {
      needPackage();
      const prepared = await prepare();
      ({ documents, workers } = prepared);
      browser = await openBrowser({ webgpu: false });
      tab = await browser.newPackagePage();
      const { error } = await tab.harness("load", "it", tab.url(prepared.folder), { device: "cpu", cache: "off", workers });
      assert.equal(error, undefined);
    });
    after(() => browser?.close());

    /** Several workers share the list out as cards are dealt, and none is far behind the others. */
    const assertFromTheTop = (scored) => {
      const places = scored.map(({ index }) => index).toSorted((a, b) => a - b);
      if (workers === 1) assert.deepEqual(places, [...places.keys()]);
      else assert.ok(places.every((place, count) => place <= workers * (count + 1)), String(places));
    };

    const ranked = async (options) => tab.harness("partials", "it", query, documents, options);

    it("is reckoned beforehand by a sample", LIMIT, async (test) => {
      const { value: estimate } = await tab.harness("call", "it", "estimate", documents, { query });
      plain = await ranked();
      test.diagnostic(`${what}: ${ms(estimate.milliseconds)} estimated by a sample of ${estimate.measured.tokens} tokens, ${ms(plain.time)} taken for ${estimate.tokens}`);
      assert.equal(estimate.measured.by, "sample");
      assertNear(estimate.milliseconds, plain.time);
    });

    it("and after a ranking by what that took", LIMIT, async (test) => {
      const half = documents.slice(documents.length / 2);
      const { value: estimate } = await tab.harness("call", "it", "estimate", half, { query });
      const { time } = await tab.harness("partials", "it", query, half);
      test.diagnostic(`${what}: ${ms(estimate.milliseconds)} estimated by calls, ${ms(time)} taken for ${estimate.tokens} tokens`);
      assert.equal(estimate.measured.by, "calls");
      assertNear(estimate.milliseconds, time);
    });

    it("tells results while they come, from the top of the list down, and ends with those of the call", LIMIT, async (test) => {
      const { heard, results } = await ranked({ topK: documents.length });
      assert.deepEqual(results, plain.results);
      const scores = new Map(results.map(({ index, score }) => [index, score]));
      for (const { results, scored } of heard) {
        const told = results.filter(({ score }) => score !== null);
        assert.equal(told.length, scored);
        assertFromTheTop(told);
        assert.ok(told.every(({ index, score }) => score === scores.get(index)));
      }
      for (const { results } of heard.slice(-2)) assert.deepEqual(results.map(({ index, score }) => [index, score]), plain.results.map(({ index, score }) => [index, score]));
      test.diagnostic(`${what}: the first ${heard[0].scored} of ${documents.length} documents after ${ms(heard[0].at)}, all after ${ms(heard.at(-1).at)}`);
      assert.ok(heard.length > 3);
      assert.ok(heard[0].at < heard.at(-1).at / 2);
    });

    it("ends within a budget", LIMIT, async (test) => {
      for (const [name, budgetMs] of Object.entries({ "next to nothing": 1, "half the work": plain.time / 2, "ten times the work": plain.time * 10 })) {
        const { results, warnings, time } = await ranked({ budgetMs });
        const scored = results.filter(({ score }) => score !== null);
        test.diagnostic(`${what}: ${scored.length} of ${documents.length} documents scored after ${ms(time)} of a budget of ${name}, ${ms(budgetMs)}`);
        assert.equal(results.length, documents.length);
        assert.ok(time < budgetMs + LATE);
        assertFromTheTop(scored);
        const places = new Set(scored.map(({ index }) => index));
        const known = plain.results.filter(({ index }) => places.has(index)).map(({ index, score }) => [index, score]);
        const behind = [...documents.keys()].filter((index) => !places.has(index)).map((index) => [index, null]);
        assert.deepEqual(results.map(({ index, score }) => [index, score]), [...known, ...behind]);
        assert.equal(warnings.some(({ code, message }) => code === "BUDGET_ENDED" && message.startsWith(`${behind.length} `)), behind.length > 0);
        if (budgetMs > 1) assert.ok(scored.length > documents.length / 16);
        assert.equal(behind.length > 0, budgetMs < plain.time);
      }
    });

    it("answers the newest query alone, as somebody types", LIMIT, async () => {
      const typed = ["w", "wh", "who"].map((text) => tab.harness("rerank", "it", text, documents, { mode: "latest", budgetMs: 10_000 }));
      const outcomes = await Promise.all(typed);
      assert.deepEqual(outcomes.map(({ error }) => error?.name), ["AbortError", "AbortError", undefined]);
      assert.equal(outcomes[2].value.results.length, documents.length);
    });
  });
}

function assertNear(estimated, taken) {
  assert.ok(estimated < taken * WRONG && estimated > taken / WRONG, `${ms(estimated)} for ${ms(taken)}`);
}

function ms(milliseconds) {
  return `${Math.round(milliseconds)} ms`;
}
