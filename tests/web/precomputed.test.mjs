// Documents that bring their embeddings along, in every codec and form, beside documents that are encoded: the reference's scores on both devices, the same order, and
// nothing that a hostile list could do.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { need, needPackage } from "./lib/paths.mjs";
import { tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

const { scores: SCORES } = JSON.parse(readFileSync(need("tests/fixtures/vectors/pylate/expected.json", "git checkout tests/fixtures"), "utf8"));

/** Brings nothing along in the lists. */
const ENCODED = 1;

/** By device and codec, what came of the whole list. */
const orders = new Map();

const indices = (results) => results.map(({ index }) => index);

function close(found, expected, what, tolerance = 1e-4) {
  assert.ok(Math.abs(found - expected) <= tolerance * Math.max(Math.abs(expected), 1), `${what} is ${found}, expected ${expected}`);
}

for (const device of ["cpu", "webgpu"]) {
  describe(`embeddings that come along, on ${device}`, () => {
    let browser;
    let tab;
    let tiny;
    before(async () => {
      needPackage();
      browser = await openBrowser({ webgpu: device === "webgpu" });
      tab = await browser.newPackagePage();
      tiny = await tinyCase("pylate");
      const { error } = await tab.harness("load", "tiny", tab.url(tiny.checkpoint), { device });
      assert.equal(error, undefined);
    });
    after(() => browser?.close());

    const files = (codec) => ({
      list: tab.url(`fixtures/vectors/pylate/${codec}.safetensors`),
      ...(codec === "residual" && { codec: tab.url("fixtures/vectors/pylate/codec.safetensors") }),
    });

    /** Texts for those alone that are to have one. */
    const named = (texts = () => true) => tiny.documents.map((text, index) => ({ id: `d${index}`, ...((index === ENCODED || texts(index)) && { text }) }));

    const ranked = async (documents, options) => {
      const { value, error } = await tab.harness("broughtTo", "tiny", tiny.query, documents, options);
      assert.equal(error, undefined, error?.message);
      return value;
    };

    for (const codec of Object.keys(SCORES)) {
      it(`in ${codec} have the reference's scores, beside one that is encoded`, LIMIT, async () => {
        const { results, warnings, left } = await ranked(named(() => false), files(codec));
        assert.deepEqual(warnings, []);
        assert.ok(left > 0);
        for (const { index, id, score } of results) {
          assert.equal(id, `d${index}`);
          close(score, index === ENCODED ? tiny.scores[index] : SCORES[codec][index], `document ${index}`);
        }
        assert.deepEqual(results.map(({ rank }) => rank), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        orders.set(`${device} ${codec}`, indices(results));
      });
    }

    it("score alike in every form, and where the list is handed over", LIMIT, async () => {
      for (const [codec, forms] of [["int8", ["arrays", "base64"]], ["f32", ["rows"]], ["residual", ["base64"]]]) {
        const whole = await ranked(named(), files(codec));
        for (const each of forms) assert.deepEqual((await ranked(named(), { ...files(codec), each })).results, whole.results, `${codec}, ${each}`);
        const transferred = await ranked(named(), { ...files(codec), transfer: true });
        assert.equal(transferred.left, 0);
        assert.deepEqual(transferred.results, whole.results);
      }
    });

    it("are explained, by tokens where there is a text and by rows where there is none", LIMIT, async () => {
      const { results } = await ranked(named((index) => index !== 2), { ...files("int8"), explain: true });
      for (const { index, score, explanation } of results) {
        close(explanation.matches.reduce((sum, { similarity }) => sum + similarity, 0), score, `the matches of document ${index}`);
        const spans = explanation.matches.map(({ document }) => document);
        if (index === 2) assert.deepEqual(new Set(spans.map(({ id, start }) => `${id} ${start}`)), new Set(["null null"]));
        else assert.ok(spans.some(({ start }) => start !== null), `document ${index}`);
      }
    });

    it("are told apart without a text", LIMIT, async () => {
      const plain = await ranked(named(() => false), files("int8"));
      const { results } = await ranked(named(() => false), { ...files("int8"), diversify: 0.3 });
      assert.deepEqual(indices(results).toSorted(), indices(plain.results).toSorted());
      assert.notDeepEqual(indices(results), indices(plain.results));
      assert.equal(results[0].index, plain.results[0].index);
    });

    it("numbers that are not finite are refused by their document", LIMIT, async () => {
      for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const { error } = await tab.harness("broughtTo", "tiny", tiny.query, named(), { ...files("f32"), numbers: { 4: number } });
        assert.equal(error.code, "INVALID_INPUT");
        assert.match(error.message, /^documents\[9\] \(id "d9"\)/);
      }
      assert.equal((await ranked(named(), files("f32"))).results.length, 10);
    });

    it("rows that are too long buy no rank, and are told of", LIMIT, async () => {
      const plain = await ranked(named(), files("int8"));
      // The scales lie before the codes, of 112 rows and 16 values: those of the last document's 15 rows.
      const places = Array.from({ length: 15 }, (_, row) => 112 * 16 + 4 * (15 - row));
      const { results, warnings } = await ranked(named(), { ...files("int8"), numbers: Object.fromEntries(places.map((place) => [place, 1e6])) });
      assert.deepEqual(warnings.map(({ code }) => code), ["EMBEDDINGS_RESCALED"]);
      assert.match(warnings[0].message, /documents\[9\] \(id "d9"\)/);
      assert.deepEqual(indices(results), indices(plain.results));
      // What is scaled to 1 was not quite of length 1 as int8.
      for (const { index, score } of results) close(score, plain.results.find((result) => result.index === index).score, `document ${index}`, 5e-3);
    });

    if (device === "cpu") {
      it("score alike without a model", LIMIT, async () => {
        for (const codec of Object.keys(SCORES)) {
          const scores = await tab.harness("scoredWithout", "tiny", tiny.query, files(codec));
          SCORES[codec].forEach((score, index) => index !== ENCODED && close(scores[index], score, `${codec}: document ${index}`));
        }
      });
    }

    it("are scored with codecs that a worker has to be given again after its death", LIMIT, async () => {
      await tab.harness("load", "mortal", tab.url(tiny.checkpoint), { device, limits: { silence: 3_000 } });
      const mortal = async (given) => tab.harness("broughtTo", "mortal", tiny.query, named(), given);
      const before = await mortal(files("residual"));
      await tab.harness("killWorkers");
      const again = await mortal(files("residual"));
      assert.deepEqual([again.error, again.value.results], [undefined, before.value.results]);
      const { error } = await mortal({ list: files("residual").list, codec: tab.url("fixtures/vectors/codec.safetensors") });
      assert.equal(error.code, "MODEL_MISMATCH");
      assert.match(error.message, /^codecs\[0\] is of the model v1-/);
    });
  });
}

it("are in the same order on both devices", () => {
  for (const codec of Object.keys(SCORES)) assert.deepEqual(orders.get(`webgpu ${codec}`), orders.get(`cpu ${codec}`), codec);
});
