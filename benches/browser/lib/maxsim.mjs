// MaxSim alone, without an encoder, in both modules of the package; they take turns as contestants do.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";

/** What `--only` calls it. */
export const MAXSIM = "maxsim";

/** A query of 32 vectors against a thousand long documents. */
export const SHAPE = { queryRows: 32, documents: 1_000, documentRows: 300, dimension: 128 };
const MODULES = [
  { id: "relaxed SIMD", file: "tabrank_relaxed_bg.wasm" },
  { id: "simd128", file: "tabrank_bg.wasm" },
];
/** A turn's: making the documents takes longer than scoring them. */
const REPETITIONS = 10;

/** `[{ id, times }]`, in milliseconds. */
export async function timeMaxsim(browser, server, { paths, runs }) {
  const sessions = [];
  for (const { id, file } of MODULES) {
    const path = join(paths.package, "wasm", file);
    if (!existsSync(path)) throw new Error(`${MAXSIM} needs ${path}, which is not there`);
    const { page, close } = await openPage(browser, server.origin);
    await page.evaluate(load, `/wasm/${file}`);
    sessions.push({ id, times: [], page, close });
  }
  // The first turn warms up: the browser is still optimizing the module.
  for (let turn = 0; turn <= runs; turn += 1) {
    for (const { times, page } of sessions) {
      const found = await page.evaluate(run, [...Object.values(SHAPE), REPETITIONS]);
      if (turn > 0) times.push(...found);
    }
  }
  for (const { close } of sessions) await close();
  return sessions.map(({ id, times }) => ({ id, times }));
}

async function load(file) {
  globalThis.tabrank = await import("/wasm/tabrank.js");
  await globalThis.tabrank.default({ module_or_path: file });
}

function run(numbers) {
  return [...globalThis.tabrank.timeMaxsim(...numbers)];
}
