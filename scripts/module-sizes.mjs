// What a page fetches of the package, in bytes: as the files are, and by brotli at its strongest, as a server sends them.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const DIST = new URL("../pkg/dist/", import.meta.url);

/** Most bytes by brotli, of each file. */
export const BUDGETS = JSON.parse(await readFile(new URL("budgets.json", import.meta.url), "utf8"));

/** `{ name, raw, brotli, budget }`. */
export async function sizeOf(name) {
  const bytes = await readFile(fileURLToPath(new URL(name, DIST)));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return { name, raw: bytes.length, brotli: (await promisify(brotliCompress)(bytes, { params })).length, budget: BUDGETS[name] };
}
