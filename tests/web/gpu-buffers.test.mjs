// Which buffers a long text takes on a GPU: none of a square of its tokens. `make memory` has the figures at real width.
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { openGpuBuffers } from "./lib/gpu-buffers.mjs";
import { openBrowser } from "./lib/package.mjs";
import { need, needPackage, OUTPUT } from "./lib/paths.mjs";

const LIMIT = { timeout: 240_000 };
/** More than the check at the load takes, whose buffers are used again. */
const [SHORT, LONG] = [2048, 4096];
const TEXT = "the price of oil and what came of it ".repeat(LONG);

let browser;
before(async () => {
  needPackage();
  browser = await openBrowser({ webgpu: true });
}, LIMIT);
after(() => browser?.close());

/** A model whose last layer but one attends to the whole text, where there is one of so many tokens. */
function longModel() {
  const folder = join(OUTPUT, "bundles/long-texts");
  cpSync(need("tests/fixtures/modernbert/checkpoint", "git checkout tests/fixtures"), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, max_position_embeddings: LONG }));
  return "bundles/long-texts/";
}

async function sizesOf(path, documentLength) {
  const { tab, sizes } = await openGpuBuffers(browser, path, { overrides: { documentLength } });
  const found = await sizes("oil", [TEXT]);
  await tab.close();
  return found;
}

it("a long text's buffers grow with its tokens, and none holds a square of its scores", LIMIT, async (test) => {
  const path = longModel();
  const [short, long] = [await sizesOf(path, SHORT), await sizesOf(path, LONG)];
  const text = ({ made, largest }) => `${made} bytes of buffers, the largest of ${largest}`;
  test.diagnostic(`${SHORT} tokens: ${text(short)}; ${LONG} tokens: ${text(long)}`);
  assert.ok(short.largest > 0, "nothing was counted");
  assert.ok(long.largest < 4 * LONG ** 2, "a buffer has room for a score of each pair of tokens");
  // A square would grow by twice as much.
  for (const size of ["made", "largest"]) assert.ok(long[size] < 1.5 * (LONG / SHORT) * short[size], size);
});
