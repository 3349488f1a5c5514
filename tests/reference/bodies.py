"""Tiny bodies of the architectures after BERT, each written as a transformers folder: config, weights, tokenizer."""

import json
from pathlib import Path

import torch
from transformers import ModernBertConfig, ModernBertForMaskedLM, ModernBertModel

import tiny


def scale(name: str) -> float:
    """Attention far from uniform: at the 0.02 of an untrained model a wrong mask or base hides in the rounding."""
    scales = {"tok_embeddings": 1.0, "word_embeddings": 1.0, "bias": 0.2}
    return next((value for part, value in scales.items() if part in name), 0.3)


def save_tokenizer(folder: Path, **settings) -> dict[str, int]:
    """No token types. Gives the ids that a config names."""
    vocab = tiny.vocabulary(words=60)
    inputs = ["input_ids", "attention_mask"]
    tiny.save_tokenizer(
        folder, vocab, 48, tokenizer_class="PreTrainedTokenizerFast", model_input_names=inputs, **settings
    )  # fmt: skip
    names = {"pad": "[PAD]", "cls": "[CLS]", "bos": "[CLS]", "sep": "[SEP]", "eos": "[SEP]"}
    return {"vocab_size": len(vocab)} | {f"{name}_token_id": vocab.index(token) for name, token in names.items()}


def modernbert_config(ids: dict[str, int], **overrides) -> ModernBertConfig:
    """The window reaches four tokens to each side, fewer than most texts have; both bases are neither the default nor the same."""
    shape = {"num_hidden_layers": 4, "num_attention_heads": 2, "local_attention": 8, "max_position_embeddings": 64}
    bases = {"global_rope_theta": 150_000.0, "local_rope_theta": 100.0}
    return ModernBertConfig(**ids, **shape | bases | overrides)


def modernbert(folder: Path, **overrides) -> None:
    config = modernbert_config(save_tokenizer(folder), **overrides)
    ModernBertModel(config).save_pretrained(folder)


def older_modernbert_spelling(config: dict, every: int = 3) -> None:
    """The names of transformers 4, and fields that its files hold and nobody reads."""
    config.pop("layer_types")
    bases = config.pop("rope_parameters")
    config["global_attn_every_n_layers"] = every
    config["global_rope_theta"] = bases["full_attention"]["rope_theta"]
    config["local_rope_theta"] = bases["sliding_attention"]["rope_theta"]
    config |= {"layer_norm_eps": 1e-1, "position_embedding_type": "absolute", "reference_compile": True}


def edit(path: Path, change) -> None:
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=2), "utf-8")
