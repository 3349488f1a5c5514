// What a page fetches of the package, in bytes: as the files are, and by brotli at its strongest, as a server sends them.
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const DIST = new URL("../pkg/dist/", import.meta.url);

/** Most bytes by brotli, of each file; `*` stands for the hash in a name. */
export const BUDGETS = JSON.parse(await readFile(new URL("budgets.json", import.meta.url), "utf8"));

/** `{ name, raw, brotli, budget }`. */
export async function sizeOf(name) {
  const bytes = await readFile(fileURLToPath(new URL(await fileOf(name), DIST)));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return { name, raw: bytes.length, brotli: (await promisify(brotliCompress)(bytes, { params })).length, budget: BUDGETS[name] };
}

async function fileOf(name) {
  const [before, after] = name.split("*");
  if (after === undefined) return name;
  const files = (await readdir(fileURLToPath(DIST))).filter((file) => file.startsWith(before) && file.endsWith(after));
  if (files.length !== 1) throw new Error(`pkg/dist has ${files.length} files ${name}`);
  return files[0];
}
