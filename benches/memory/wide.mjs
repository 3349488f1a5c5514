// A ModernBERT of real width with random weights: one layer that attends to the whole text, one to a window.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { need, OUTPUT } from "../../tests/web/lib/paths.mjs";

export const WIDTH = 768;
const WIDE = 1152;
const HEADS = 12;

/** Its folder, and where the test server has it. Texts are cut to `length` tokens. */
export function wideCheckpoint(length) {
  const name = `wide-${length}`;
  const folder = join(OUTPUT, "bundles", name);
  mkdirSync(folder, { recursive: true });
  const source = need("tests/fixtures/modernbert-wide/checkpoint", "git checkout tests/fixtures");
  const config = read(source, "config.json");
  copyFileSync(join(source, "tokenizer.json"), join(folder, "tokenizer.json"));
  write(folder, "tokenizer_config.json", { ...read(source, "tokenizer_config.json"), model_max_length: length });
  const shape = { hidden_size: WIDTH, intermediate_size: WIDE, num_attention_heads: HEADS, num_hidden_layers: 2, layer_types: ["full_attention", "sliding_attention"] };
  write(folder, "config.json", { ...config, ...shape, local_attention: 128, max_position_embeddings: length });
  writeFileSync(join(folder, "model.safetensors"), safetensors(shapes(config.vocab_size)));
  return { folder, path: `bundles/${name}/` };
}

function shapes(vocabulary) {
  const layer = (number) => ({
    ...(number > 0 && { [`layers.${number}.attn_norm.weight`]: [WIDTH] }),
    [`layers.${number}.attn.Wqkv.weight`]: [3 * WIDTH, WIDTH],
    [`layers.${number}.attn.Wo.weight`]: [WIDTH, WIDTH],
    [`layers.${number}.mlp_norm.weight`]: [WIDTH],
    [`layers.${number}.mlp.Wi.weight`]: [2 * WIDE, WIDTH],
    [`layers.${number}.mlp.Wo.weight`]: [WIDTH, WIDE],
  });
  return { "embeddings.tok_embeddings.weight": [vocabulary, WIDTH], "embeddings.norm.weight": [WIDTH], ...layer(0), ...layer(1), "final_norm.weight": [WIDTH] };
}

function safetensors(tensors) {
  let end = 0;
  const header = {};
  for (const [name, shape] of Object.entries(tensors)) {
    const begin = end;
    end += 4 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [begin, end] };
  }
  let seed = 1;
  // Of no meaning, but of a usual size.
  const next = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32 - 0.5;
  const values = Float32Array.from({ length: end / 4 }, () => 0.1 * next());
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.from(values.buffer)]);
}

function read(folder, name) {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}

function write(folder, name, value) {
  writeFileSync(join(folder, name), JSON.stringify(value));
}
