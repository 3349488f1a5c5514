// What two bodies of real checkpoints are made of: fields of `config.json`, and tensors with their shapes.

/** Values of a head. */
const HEAD = 64;

/** XLM-RoBERTa with rotary positions, under the names of Jina's own code, as jina-colbert-v2 has it. */
export function jina({ layers, hidden, wide, vocabulary, positions, dimension }) {
  const layer = (index) => {
    const name = `roberta.encoder.layers.${index}`;
    const parts = [["mixer.Wqkv", 3 * hidden, hidden], ["mixer.out_proj", hidden, hidden], ["mlp.fc1", wide, hidden], ["mlp.fc2", hidden, wide]];
    const products = parts.flatMap(([part, rows, columns]) => product(`${name}.${part}`, rows, columns));
    return [...products, ...norm(`${name}.norm1`, hidden), ...norm(`${name}.norm2`, hidden)];
  };
  return {
    config: {
      architectures: ["HF_ColBERT"],
      model_type: "xlm-roberta",
      position_embedding_type: "rotary",
      rotary_emb_base: 20_000,
      hidden_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: hidden / HEAD,
      intermediate_size: wide,
      hidden_act: "gelu",
      layer_norm_eps: 1e-5,
      vocab_size: vocabulary,
      max_position_embeddings: positions,
      type_vocab_size: 1,
      bos_token_id: 0,
      pad_token_id: 1,
      eos_token_id: 2,
    },
    tensors: [
      ["roberta.embeddings.word_embeddings.weight", [vocabulary, hidden]],
      ["roberta.embeddings.token_type_embeddings.weight", [1, hidden]],
      ...norm("roberta.emb_ln", hidden),
      ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
      ["linear.weight", [dimension, hidden]],
    ],
  };
}

/** ModernBERT, with a layer for each of `attention`: `full_attention` or `sliding_attention`. */
export function modernBert({ attention, hidden, wide, vocabulary, positions }) {
  const layer = (index) => {
    const name = `layers.${index}`;
    const parts = [["attn.Wqkv", 3 * hidden, hidden], ["attn.Wo", hidden, hidden], ["mlp.Wi", 2 * wide, hidden], ["mlp.Wo", hidden, wide]];
    const products = parts.map(([part, rows, columns]) => [`${name}.${part}.weight`, [rows, columns]]);
    const norms = index > 0 ? ["attn_norm", "mlp_norm"] : ["mlp_norm"];
    return [...products, ...norms.map((part) => [`${name}.${part}.weight`, [hidden]])];
  };
  return {
    config: {
      architectures: ["ModernBertModel"],
      model_type: "modernbert",
      hidden_size: hidden,
      num_hidden_layers: attention.length,
      num_attention_heads: hidden / HEAD,
      intermediate_size: wide,
      hidden_activation: "gelu",
      layer_types: attention,
      local_attention: 128,
      rope_parameters: {
        full_attention: { rope_type: "default", rope_theta: 160_000 },
        sliding_attention: { rope_type: "default", rope_theta: 10_000 },
      },
      attention_bias: false,
      mlp_bias: false,
      norm_bias: false,
      norm_eps: 1e-5,
      vocab_size: vocabulary,
      max_position_embeddings: positions,
      pad_token_id: 0,
    },
    tensors: [
      ["embeddings.tok_embeddings.weight", [vocabulary, hidden]],
      ["embeddings.norm.weight", [hidden]],
      ...attention.flatMap((_, index) => layer(index)),
      ["final_norm.weight", [hidden]],
    ],
  };
}

function product(name, rows, columns) {
  return [[`${name}.weight`, [rows, columns]], [`${name}.bias`, [rows]]];
}

function norm(name, size) {
  return [[`${name}.weight`, [size]], [`${name}.bias`, [size]]];
}
