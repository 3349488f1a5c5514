#!/usr/bin/env node
// Usage: picture.mjs FILE.jpg
// The demo page as the README shows it: a question, the best paragraphs in their new order, and the words that made it. Needs the site of `make site`.
import { writeFile } from "node:fs/promises";
import { openDemo } from "../tests/web/lib/demo.mjs";
import { openBrowser } from "../tests/web/lib/package.mjs";
import { needDemo } from "../tests/web/lib/paths.mjs";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name the file to write.");
needDemo();
const place = await openBrowser({ webgpu: false });
try {
  const demo = await openDemo(place, { device: "cpu", candidates: 20 }, { viewport: { width: 1200, height: 760 }, colorScheme: "light" });
  await demo.loadModel();
  await demo.reranked();
  await demo.page.locator("#reranked-rows > .row:first-child h3 button").press("Enter");
  await demo.page.waitForSelector("#reranked-rows .heat-map");
  await demo.page.locator("#reranked").evaluate((list) => scrollTo({ top: list.getBoundingClientRect().top + scrollY - 120 }));
  await writeFile(file, await demo.page.screenshot({ type: "jpeg", quality: 72 }));
} finally {
  await place.close();
}
