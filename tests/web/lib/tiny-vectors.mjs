// A tiny checkpoint's embeddings of its documents, as the command line stores them, where the server finds them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { compress, trainCodec } from "./native.mjs";
import { need, OUTPUT } from "./paths.mjs";

/** By codec: the address of the `list`, and that of the `tables` of residuals. */
export function tinyVectors({ folder, documents }) {
  const model = need(folder, "git checkout tests/fixtures");
  mkdirSync(join(OUTPUT, "data/vectors"), { recursive: true });
  const file = (name) => join(OUTPUT, `data/vectors/${name}.safetensors`);
  const list = (name, codec = name) => {
    compress(model, documents, codec, file(name));
    return { list: `data/vectors/${name}.safetensors` };
  };
  const plain = Object.fromEntries(["f32", "f16", "int8", "binary"].map((codec) => [codec, list(codec)]));
  trainCodec(file("f32"), file("tables"));
  return { ...plain, residual: { ...list("residual", file("tables")), tables: "data/vectors/tables.safetensors" } };
}
