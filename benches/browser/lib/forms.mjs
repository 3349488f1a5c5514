// What does each form of the byte product reach on this processor? As the package measures it to choose among them, without a model.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { MODULES } from "./maxsim.mjs";

/** What `--only` calls it. */
export const FORMS = "forms";

/** `[{ simd, form, gops }]`: billions of multiplications and additions a second. */
export async function measureForms(browser, server, { paths }) {
  const found = [];
  for (const [simd, file] of Object.entries(MODULES)) {
    const needed = join(paths.package, "wasm", file);
    if (!existsSync(needed)) throw new Error(`${FORMS} needs ${needed}, which is not there`);
    process.stderr.write(`${FORMS}: ${simd}\n`);
    const { page, close } = await openPage(browser, server.origin);
    const forms = await page.evaluate(measure, `/wasm/${file}`);
    await close();
    found.push(...forms.map((each) => ({ simd, ...each })));
  }
  return found;
}

/** The best of several, since code is slow at first. An older package has one form, and measures none. */
async function measure(module) {
  const glue = await import("/wasm/tabrank.js");
  await glue.default({ module_or_path: module });
  const best = new Map();
  for (let repetition = 0; repetition < 5; repetition += 1) {
    for (const { form, gops } of glue.measureProductForms?.() ?? []) best.set(form, Math.max(gops, best.get(form) ?? 0));
  }
  return [...best].map(([form, gops]) => ({ form, gops }));
}
