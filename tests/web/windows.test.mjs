// Long documents that the package encodes in windows, against PyTorch's windows united by the rule: tests/reference/windows.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { need, needPackage } from "./lib/paths.mjs";

const CHECKPOINT = "fixtures/pylate/checkpoint/";

const RUNS = [
  { device: "cpu", tolerance: 1e-4 },
  { device: "webgpu", tolerance: 1e-3 },
];

const { query, document, cases } = JSON.parse(await readFile(need("tests/fixtures/windows/expected.json", "git checkout tests/fixtures"), "utf8"));
const tensors = await readFile(need("tests/fixtures/windows/expected.safetensors", "git checkout tests/fixtures"));

let browser;
before(async () => {
  needPackage();
  browser = await openBrowser({ webgpu: true });
});
after(() => browser?.close());

for (const { device, tolerance } of RUNS) {
  describe(`a long document in windows on ${device}`, () => {
    let tab;
    before(async () => {
      tab = await browser.newPackagePage();
      const { value, error } = await tab.harness("load", "it", tab.url(CHECKPOINT), { device });
      assert.equal(value?.device, device, error?.message);
    });
    after(() => tab?.close());

    /** What a method of the package's answers. */
    async function call(method, ...parameters) {
      const { value, error } = await tab.harness("call", "it", method, ...parameters);
      assert.equal(error, undefined);
      return value;
    }

    for (const [place, { overlap, most, score, truncated, ...tokens }] of cases.entries()) {
      const options = { longDocuments: "windows", maxWindows: most, ...(overlap !== null && { overlap }) };

      it(`with an overlap of ${overlap ?? "an eighth"} and at most ${most} windows: embeddings`, { timeout: 120_000 }, async () => {
        for (const [pooling, name] of [["none", "embeddings"], ["mean", "pooled"]]) {
          const found = await call("encodeDocuments", [document], { ...options, pooling });
          const values = tensor(`${place}.${name}`);
          assert.ok(furthest(Object.values(found.values), values) < tolerance, name);
          assert.deepEqual(Object.values(found.truncated), [Number(truncated)]);
        }
      });

      it(`with an overlap of ${overlap ?? "an eighth"} and at most ${most} windows: scores, and matches by their places in the whole text`, { timeout: 120_000 }, async () => {
        const { results } = await call("rerank", query, ["bread", document], { ...options, explain: true });
        const result = results.find(({ index }) => index === 1);
        assert.ok(Math.abs(result.score - score) < tolerance * score, `${result.score}, not ${score}`);
        assert.equal(result.truncated, truncated);
        const { values, dimension } = await call("encodeQuery", query);
        const asked = rows(Object.values(values), dimension);
        assert.equal(result.explanation.matches.length, asked.length);
        let clear = 0;
        for (const [row, { document: found, similarity }] of result.explanation.matches.entries()) {
          const [best, next] = similarities(asked[row], tokens, rows(tensor(`${place}.embeddings`), dimension));
          assert.ok(Math.abs(similarity - best.similarity) < tolerance, `${similarity}, not ${best.similarity}`);
          // Of two that are as similar rounding decides.
          if (best.similarity - next.similarity < 2 * tolerance) continue;
          assert.deepEqual([found.start, found.end], best.range);
          clear++;
        }
        assert.ok(clear > asked.length / 2, `only ${clear} matches are clear`);
        const alone = await call("explain", query, document, options);
        assert.deepEqual(alone.matches.map(({ document: { start, end } }) => [start, end]), result.explanation.matches.map(({ document: { start, end } }) => [start, end]));
      });
    }
  });
}

/** Of a query token with each of the document's that are kept, the most similar first; `range` in UTF-16 units, or nulls. */
function similarities(token, { offsets, kept }, embeddings) {
  const ranges = offsets.filter((_, place) => kept[place]).map(([start, end]) => (end === 0 ? [null, null] : [utf16(start), utf16(end)]));
  assert.equal(ranges.length, embeddings.length);
  const all = embeddings.map((row, place) => ({ similarity: row.reduce((sum, value, i) => sum + value * token[i], 0), range: ranges[place] }));
  return all.toSorted((a, b) => b.similarity - a.similarity);
}

/** The reference counts code points. */
function utf16(points) {
  return [...document].slice(0, points).join("").length;
}

function rows(values, width) {
  return Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
}

function furthest(found, expected) {
  if (found.length !== expected.length) return Number.NaN;
  return found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i])), 0);
}

/** The values of a tensor. */
function tensor(name) {
  const data = 8 + Number(tensors.readBigUInt64LE(0));
  const [start, end] = JSON.parse(tensors.toString("utf8", 8, data))[name].data_offsets;
  return Array.from({ length: (end - start) / 4 }, (_, i) => tensors.readFloatLE(data + start + 4 * i));
}
