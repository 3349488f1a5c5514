"""Writes how transformers' own class reads `config.json` of a ModernBERT, in the spellings of its versions 4 and 5.

Only what changes numbers: a setting in the one spelling, in the other, in both, in neither.
"""

import json
from pathlib import Path

from transformers import ModernBertConfig

FIXTURE = Path(__file__).parent.parent / "fixtures" / "modernbert.json"
FULL, SLIDING = "full_attention", "sliding_attention"
PLAIN = [
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "max_position_embeddings", "norm_eps",
    "hidden_activation", "norm_bias", "attention_bias", "mlp_bias",
]  # fmt: skip
CASES = [
    {},
    {"num_hidden_layers": 7, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 384, "local_rope_theta": 160_000.0},
    {"num_hidden_layers": 5, "global_attn_every_n_layers": 2, "global_rope_theta": 150_000, "local_rope_theta": 160_000},
    {"num_hidden_layers": 4, "global_attn_every_n_layers": 1},
    {"num_hidden_layers": 3, "layer_types": [SLIDING, SLIDING, FULL]},
    {"num_hidden_layers": 2, "layer_types": [FULL, SLIDING], "global_attn_every_n_layers": 5},
    {"rope_parameters": {FULL: {"rope_type": "default", "rope_theta": 7e4}, SLIDING: {"rope_type": "default", "rope_theta": 9e3}}},
    {"rope_parameters": {FULL: {"rope_theta": 7e4}, SLIDING: {"type": "default"}}, "local_rope_theta": 5e3},
    {"rope_parameters": {SLIDING: {"rope_theta": 7e4}}},
    {"rope_parameters": {SLIDING: {"rope_theta": 7e4}}, "global_rope_theta": 6e4},
    {"rope_parameters": None, "rope_scaling": {"type": "default"}, "layer_types": None},
    {"rope_theta": 5e3, "partial_rotary_factor": 0.5},
    {"local_attention": 129},
    {"local_attention": 1},
    {"sliding_window": 64, "head_dim": 64},
    {"norm_eps": 1e-6, "layer_norm_eps": 1e-12, "hidden_activation": "silu", "hidden_act": "relu"},
    {"norm_bias": True, "attention_bias": True, "mlp_bias": True},
    {"vocab_size": 256_000, "max_position_embeddings": 8_192, "hidden_size": 384, "num_attention_heads": 6},
]  # fmt: skip


def read(fields: dict) -> dict:
    config = ModernBertConfig(**fields)
    bases = {kind: config.rope_parameters[kind]["rope_theta"] for kind in (FULL, SLIDING)}
    return {name: getattr(config, name) for name in PLAIN} | {
        "layers": [
            [bases[kind], config.sliding_window if kind == SLIDING else None] for kind in config.layer_types
        ]
    }  # fmt: skip


def main() -> None:
    lines = [json.dumps([fields, read(json.loads(json.dumps(fields)))]) for fields in CASES]
    FIXTURE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
