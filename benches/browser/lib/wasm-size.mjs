// Size of the wasm module each contestant really loaded, as it is and by brotli at its strongest.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

/** Adds `wasm: { file, raw, brotli }`. Sizes are kept by content: compressing 27 MB takes about a minute. */
export async function wasmSizes(contestants, { paths }) {
  const keptIn = join(paths.scratch, "brotli.json");
  const known = JSON.parse(await readFile(keptIn, "utf8").catch(() => "{}"));
  for (const contestant of contestants) {
    const file = contestant.transfers?.find(({ path }) => path.endsWith(".wasm"))?.file;
    if (file) contestant.wasm = await sizes(file, known);
  }
  await mkdir(paths.scratch, { recursive: true });
  await writeFile(keptIn, JSON.stringify(known));
}

async function sizes(file, known) {
  const bytes = await readFile(file);
  const hash = createHash("sha256").update(bytes).digest("hex");
  known[hash] ??= await compressed(bytes);
  return { file: file.split("/").pop(), raw: bytes.length, brotli: known[hash] };
}

async function compressed(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return (await promisify(brotliCompress)(bytes, { params })).length;
}
