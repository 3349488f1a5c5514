// A ModernBERT of real width with random weights: one layer that attends to the whole text, one to a window.
import { join } from "node:path";
import { OUTPUT } from "../../tests/web/lib/paths.mjs";
import { modernBert } from "./bodies.mjs";
import { plainFiles, writeCheckpoint } from "./checkpoint.mjs";

export const WIDTH = 768;

/** Its folder, and where the test server has it. Texts are cut to `length` tokens. */
export function wideCheckpoint(length) {
  const name = `wide-${length}`;
  const folder = join(OUTPUT, "bundles", name);
  const body = modernBert({ attention: ["full_attention", "sliding_attention"], hidden: WIDTH, wide: 1152, vocabulary: 272, positions: length });
  writeCheckpoint(folder, { ...body, files: plainFiles(length), dtype: "F32" });
  return { folder, path: `bundles/${name}/` };
}
