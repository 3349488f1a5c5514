// Bundles made by the command line, for the browser to load.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { convert } from "./native.mjs";
import { need, OUTPUT } from "./paths.mjs";

/** Converts a checkpoint of the repository. Test files run side by side, so each names its own bundles. */
export function prepareBundle(name, checkpoint, dtype) {
  const folder = join(OUTPUT, "bundles", name);
  mkdirSync(join(OUTPUT, "bundles"), { recursive: true });
  convert(need(checkpoint, "make site"), dtype, folder);
  return { folder, path: `bundles/${name}/`, shards: readdirSync(folder).filter((file) => file.endsWith(".safetensors")).toSorted() };
}
