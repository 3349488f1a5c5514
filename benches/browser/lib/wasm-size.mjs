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
  const loaded = contestants.map((contestant) => ({ contestant, file: wasmOf(contestant) })).filter(({ file }) => file);
  await Promise.all(loaded.map(async ({ contestant, file }) => { contestant.wasm = await sizes(file, known); }));
  const done = await Promise.all(Object.entries(known).map(async ([hash, brotli]) => [hash, await brotli]));
  await mkdir(paths.scratch, { recursive: true });
  await writeFile(keptIn, JSON.stringify(Object.fromEntries(done)));
}

function wasmOf({ transfers }) {
  return transfers?.find(({ path }) => path.endsWith(".wasm"))?.file;
}

async function sizes(file, known) {
  const bytes = await readFile(file);
  const hash = createHash("sha256").update(bytes).digest("hex");
  // A promise, so that a module that several have loaded is compressed once.
  known[hash] ??= compressed(bytes);
  return { file: file.split("/").pop(), raw: bytes.length, brotli: await known[hash] };
}

async function compressed(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return (await promisify(brotliCompress)(bytes, { params })).length;
}
