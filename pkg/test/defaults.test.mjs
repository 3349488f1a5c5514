import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkRerank } from "../src/page/options.js";

// The page reckons with it before the engine is asked.
test("a document has as many windows as the engine's own callers give it", () => {
  const engine = readFileSync(new URL("../../src/text/long_documents.rs", import.meta.url), "utf8");
  const [, most] = engine.match(/MOST_WINDOWS: NonZeroUsize = NonZeroUsize::new\((\d+)\)/);
  expect(checkRerank({ longDocuments: "windows" }).windows).toEqual({ maxWindows: Number(most) });
});
