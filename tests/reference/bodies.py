"""Tiny bodies of the architectures after BERT, each written as a transformers folder: config, weights, tokenizer."""

import json
from pathlib import Path

from tokenizers import Tokenizer, normalizers
from transformers import (
    DistilBertConfig, DistilBertModel, ModernBertConfig, ModernBertForMaskedLM, ModernBertModel, RobertaConfig, RobertaModel,
    XLMRobertaConfig, XLMRobertaModel,
)  # fmt: skip

import tiny

TOKENIZERS = Path(__file__).parent.parent / "fixtures" / "tokenizers"
LENGTH = 48


def scale(name: str) -> float:
    """Attention far from uniform: at the 0.02 of an untrained model a wrong mask or base hides in the rounding."""
    scales = {"tok_embeddings": 1.0, "word_embeddings": 1.0, "bias": 0.2}
    return next((value for part, value in scales.items() if part in name), 0.3)


def edit(path: Path, change) -> None:
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=2), "utf-8")


def save_tokenizer(folder: Path, name: str, **settings) -> dict:
    """One of `fixtures/tokenizers/`; gives the fields of a config that name its tokens.

    The class is the one that takes tokenizer.json as it is: from 5.6 on, transformers' own for XLM-RoBERTa builds another
    pre-tokenizer than the file's.
    """
    source = TOKENIZERS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    config = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    config |= {"model_max_length": LENGTH} | settings
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    owners = {"pad": "pad", "bos": "cls", "eos": "sep"}
    ids = {f"{role}_token_id": tokenizer.token_to_id(config[f"{owner}_token"]) for role, owner in owners.items()}
    return {"vocab_size": tokenizer.get_vocab_size()} | ids


def without_table(folder: Path) -> None:
    """Unicode's own NFKC in the place of the table of a sentencepiece model, which is most of its tokenizer.json."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.save(str(folder / "tokenizer.json"))


def with_baked_settings(folder: Path) -> None:
    """The truncation and padding that somebody left in tokenizer.json."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=1)
    tokenizer.save(str(folder / "tokenizer.json"))


def modernbert_config(tokens: dict, **overrides) -> ModernBertConfig:
    """The window reaches four tokens to each side, fewer than most texts have; both bases are neither the default nor the same."""
    shape = {"num_hidden_layers": 4, "num_attention_heads": 2, "local_attention": 8, "max_position_embeddings": 64}
    bases = {"global_rope_theta": 150_000.0, "local_rope_theta": 100.0}
    names = {"cls_token_id": tokens["bos_token_id"], "sep_token_id": tokens["eos_token_id"]}
    return ModernBertConfig(**tokens, **names, **shape | bases | overrides)


def modernbert(folder: Path, tokenizer: str = "modernbert", **overrides) -> None:
    config = modernbert_config(save_tokenizer(folder, tokenizer), **overrides)
    ModernBertModel(config).save_pretrained(folder)


def masked_modernbert(folder: Path, seed: int, **overrides) -> None:
    """As published before any training for retrieval: the body's names behind a prefix, beside the head that guesses tokens."""
    config = modernbert_config(save_tokenizer(folder, "modernbert"), **overrides)
    model = ModernBertForMaskedLM(config)
    tiny.seed_weights(model, seed, scale)
    model.save_pretrained(folder)


def older_modernbert_spelling(config: dict, every: int = 3) -> None:
    """The names of transformers 4, and fields that its files hold and nobody reads."""
    config.pop("layer_types")
    bases = config.pop("rope_parameters")
    config["global_attn_every_n_layers"] = every
    config["global_rope_theta"] = bases["full_attention"]["rope_theta"]
    config["local_rope_theta"] = bases["sliding_attention"]["rope_theta"]
    config |= {"layer_norm_eps": 1e-1, "position_embedding_type": "absolute", "reference_compile": True}


def roberta(folder: Path, kind: str = "roberta", table: bool = False, baked: bool = False, **overrides) -> None:
    """RoBERTa, or with `kind` XLM-RoBERTa; positions begin after that of the padding, so the table has two rows more than a text."""
    tokens = save_tokenizer(folder, kind)
    if kind == "xlm-roberta" and not table:
        without_table(folder)
    if baked:
        with_baked_settings(folder)
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    classes = {"roberta": (RobertaConfig, RobertaModel), "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel)}
    config, model = classes[kind]
    config = config(**tokens, **shape | {"max_position_embeddings": LENGTH + 2} | overrides)
    model(config).save_pretrained(folder)


def distilbert(folder: Path, **overrides) -> None:
    tokens = save_tokenizer(folder, "distilbert-cased")
    shape = {"n_layers": 2, "n_heads": 2, "max_position_embeddings": LENGTH}
    config = DistilBertConfig(vocab_size=tokens["vocab_size"], pad_token_id=tokens["pad_token_id"], **shape | overrides)
    DistilBertModel(config).save_pretrained(folder)
