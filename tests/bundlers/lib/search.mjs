// Searches as a person does, in a page of an app, and reads what is shown.
import assert from "node:assert/strict";
import { openPage } from "../../web/lib/browser.mjs";
import { assertRanked } from "../../web/lib/tiny.mjs";

/** What the tools say in the console of a page that is developed. */
const TALK = /^debug: \[vite\]|^log: \[(HMR|Fast Refresh)\]|^info: .*React DevTools/;

/** Milliseconds until the list has to be there. */
const PATIENCE = 20_000;

/** Opens a page in a browser of its own storage and searches in it. Tells which files its worker is made of. */
export async function assertSearches(browser, address, tiny) {
  const context = await browser.newContext();
  try {
    return await assertPageSearches(context, address, tiny);
  } finally {
    await context.close();
  }
}

/** Holds the list against the reference; the console stays empty. */
export async function assertPageSearches(context, address, tiny) {
  const { page, complaints } = await openPage(context, address);
  await searchIn(page, tiny).catch((cause) => {
    throw new Error(`the page does not search: ${complaints.join("; ")}`, { cause });
  });
  assert.deepEqual(complaints.filter((complaint) => !TALK.test(complaint)), []);
  return workerFiles(page);
}

async function searchIn(page, tiny) {
  await page.getByRole("searchbox").fill(tiny.query);
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("main").getByRole("listitem").first().waitFor({ timeout: PATIENCE });
  assertLines(await page.getByRole("main").getByRole("listitem").allTextContents(), tiny);
}

/** Whether lines such as `3 (10.475)` are the reference's ranking. */
export function assertLines(lines, tiny) {
  const results = lines.map((line, place) => {
    const [, index, score] = /^(\d+) \((-?[\d.]+)\)$/.exec(line) ?? assert.fail(`a line is ${line}`);
    return { index: Number(index), rank: place + 1, score: Number(score), document: tiny.documents[index] };
  });
  assertRanked({ value: { results } }, tiny);
}

async function workerFiles(page) {
  const [worker] = page.workers();
  const fetched = await worker.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  return [worker.url(), ...fetched.filter((name) => name.includes(".wasm"))].map((url) => new URL(url).pathname);
}
