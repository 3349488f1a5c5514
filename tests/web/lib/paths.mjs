// Where the things under test are. What is missing fails with the command that makes it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const PAGES = fileURLToPath(new URL("../pages/", import.meta.url));
/** Screenshots and data made by the tests; ignored by git. */
export const OUTPUT = fileURLToPath(new URL("../output/", import.meta.url));

/** A path below the repository's root that has to exist. */
export function need(path, command) {
  const full = join(ROOT, path);
  if (!existsSync(full)) throw new Error(`${path} is missing: run \`${command}\` at the repository's root first.`);
  return full;
}

export const needWasm = () => need("pkg/wasm/tabrank_bg.wasm", "make site");
export const needPackage = () => need("pkg/dist/worker.js", "make site");
export const needDemo = () => need("www/dist/index.html", "make site");
export const needCli = () => need("target/release/tabrank", "make cli");
export const needMiniLm = () => need("models/all-MiniLM-L6-v2/model.safetensors", "make models/all-MiniLM-L6-v2/model.safetensors");
