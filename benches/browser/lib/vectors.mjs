// Documents that need not be encoded: their int8 embeddings came along, or most of them were ranked before. Against the same texts, in one worker.
import { openPage } from "./browser.mjs";
import { median } from "./format.mjs";

/** What `--only` calls it. */
export const VECTORS = "vectors";

/** Each on the same texts; how often a round has it, since some take milliseconds. */
export const WAYS = {
  texts: { title: "texts", repetitions: 1 },
  along: { title: "int8 embeddings that came along", repetitions: 10 },
  known: { title: "nine tenths of them known", repetitions: 3 },
};

/** `{ facts, bytes, times: { [way]: ms[] } }` of the package's q8 and f32, which take turns. */
export async function timeVectors(browser, server, contestants, sample, { runs }) {
  const sessions = [];
  for (const { dtype, load } of contestants) {
    const { page, close } = await openPage(browser, server.origin);
    const facts = await page.evaluate(prepare, [load, sample]);
    sessions.push({ dtype, facts, page, close, rounds: [] });
  }
  // The first round warms up.
  for (let round = 0; round <= runs; round += 1) {
    for (const { page, rounds } of sessions) {
      const times = {};
      for (const [way, { repetitions }] of Object.entries(WAYS)) times[way] = await page.evaluate(run, [way, repetitions]);
      if (round > 0) rounds.push(times);
    }
  }
  for (const { close } of sessions) await close();
  return sessions.map(({ dtype, facts, rounds }) => ({ dtype, facts, rounds }));
}

/** How many times as fast as with texts, of the median round. */
export function gain({ rounds }, way) {
  return median(rounds.map((times) => median(times.texts) / median(times[way])));
}

/** The median over all rounds. */
export function middle({ rounds }, way) {
  return median(rounds.flatMap((times) => times[way]));
}

async function prepare([load, sample]) {
  const { create } = await import("/bench/vectors.js");
  globalThis.vectors = await create(load, sample);
  return globalThis.vectors.facts;
}

function run([way, repetitions]) {
  return globalThis.vectors.run(way, repetitions);
}
