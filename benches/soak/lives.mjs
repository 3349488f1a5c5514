// A model that is loaded, used and disposed of, again and again: is all of it given back?
import { inMB, MB, openSoak } from "./page.mjs";

const LIVES = 50;
/** Lives after which the browser has what it keeps. */
const SETTLED = 10;
/** By how much the page may grow. */
const GROWTH = MB;

export async function lives() {
  const tab = await openSoak({ webgpu: false });
  try {
    const rows = [["lives", "workers", "page"]];
    const sizes = [];
    for (let done = 0; done < LIVES; done += SETTLED) {
      await tab.call("lives", SETTLED, "cpu");
      sizes.push(await tab.heap());
      rows.push([String(done + SETTLED), String(tab.workers()), inMB(sizes.at(-1))]);
    }
    const growth = sizes.at(-1) - sizes[0];
    const wrong = growth > GROWTH ? [`${LIVES} lives leave ${inMB(growth)} behind; at most ${inMB(GROWTH)}`] : [];
    if (tab.workers() > 0) wrong.push(`${tab.workers()} workers outlive their Reranker`);
    return [{ title: `${LIVES} lives of a Reranker: load, rank, dispose`, rows, wrong }];
  } finally {
    await tab.close();
  }
}
