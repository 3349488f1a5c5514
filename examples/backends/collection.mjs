// A collection as tabrank encode leaves it: texts in a JSONL file, and a vector for each in a safetensors file of the same name.
import { readFile } from "node:fs/promises";

/** `[{ id, title, text, vector }]` of `<path>.jsonl` and `<path>.safetensors`, which `tabrank encode --pooling mean` made of it. */
export async function readCollection(path) {
  const lines = (await readFile(`${path}.jsonl`, "utf8")).split("\n").filter((line) => line !== "");
  const vectors = vectorsIn(await readFile(`${path}.safetensors`));
  if (vectors.length !== lines.length) throw new Error(`${path}.jsonl has ${lines.length} lines and ${path}.safetensors ${vectors.length} vectors`);
  return lines.map((line, index) => ({ ...JSON.parse(line), vector: vectors[index] }));
}

/** Rows of the tensor `embeddings`: u64 length of the header, JSON header, data. */
function vectorsIn(file) {
  const header = 8 + Number(file.readBigUInt64LE(0));
  const { shape: [rows, width], data_offsets: [from] } = JSON.parse(file.toString("utf8", 8, header)).embeddings;
  const number = (place) => file.readFloatLE(header + from + 4 * place);
  return Array.from({ length: rows }, (_, row) => Array.from({ length: width }, (_, column) => number(row * width + column)));
}
