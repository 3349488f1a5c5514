"""Tiny bodies of the architectures after BERT, each written as a transformers folder: config, weights, tokenizer."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import (
    CamembertConfig, CamembertModel, DistilBertConfig, DistilBertModel, ModernBertConfig, ModernBertForMaskedLM, ModernBertModel, RobertaConfig, RobertaModel,
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


def prefixed(body: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights under the prefix that a model with a head gives its body."""
    return {f"{body.base_model_prefix}.{name}": value.contiguous() for name, value in body.state_dict().items()}


def save_stanford(folder: Path, weights: dict, config: dict, linear: torch.nn.Linear, **metadata) -> None:
    """The projection at the root of the body's weights, and the settings in a file of their own.

    `metadata`: what differs from the settings of colbertv2.0.
    """
    weights = weights | {"linear.weight": linear.weight.data}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = config | {"architectures": ["HF_ColBERT"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    metadata = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_token": "[Q]",
        "doc_token": "[D]",
        "ncells": None,
        "query_maxlen": 12,
        "attend_to_mask_tokens": False,
        "interaction": "colbert",
        "dim": linear.out_features,
        "doc_maxlen": 20,
        "mask_punctuation": True,
        "similarity": "cosine",
        "nbits": 2,
        "nway": 64,
        **metadata,
    }
    (folder / "artifact.metadata").write_text(json.dumps(metadata, indent=4), "utf-8")


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


def add_tokens(folder: Path, tokens: list[str]) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def without_table(folder: Path) -> None:
    """Unicode's own NFKC in the place of the table of a sentencepiece model, which is most of its tokenizer.json."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.save(str(folder / "tokenizer.json"))


def bake(folder: Path) -> None:
    """A truncation and a padding that nobody asked for in tokenizer.json."""
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


def wide_modernbert(folder: Path, **overrides) -> None:
    """A head of 128 in one local layer; no words in a WordPiece that keeps case and accents, or the vocabulary would be most of it."""
    vocab = tiny.vocabulary(words=0)
    tiny.save_tokenizer(folder, vocab, LENGTH, cased=True, tokenizer_class="PreTrainedTokenizerFast")
    tokens = {"vocab_size": len(vocab)}
    tokens |= {f"{role}_token_id": vocab.index(token) for role, token in (("pad", "[PAD]"), ("bos", "[CLS]"), ("eos", "[SEP]"))}
    shape = {"hidden_size": 128, "num_attention_heads": 1, "intermediate_size": 21}
    shape |= {"num_hidden_layers": 1, "layer_types": ["sliding_attention"]}
    ModernBertModel(modernbert_config(tokens, **shape | overrides)).save_pretrained(folder)


def masked_modernbert(folder: Path, seed: int, **overrides) -> None:
    """As published before any training for retrieval: the body's names behind a prefix, beside the head that guesses tokens."""
    config = modernbert_config(save_tokenizer(folder, "modernbert", model_max_length=24), **overrides)
    model = ModernBertForMaskedLM(config)
    tiny.seed_weights(model, seed, scale)
    model.half().save_pretrained(folder)


def older_modernbert_spelling(config: dict, every: int = 3) -> None:
    """The names of transformers 4, and fields that its files hold and nobody reads."""
    config.pop("layer_types")
    bases = config.pop("rope_parameters")
    config["global_attn_every_n_layers"] = every
    config["global_rope_theta"] = bases["full_attention"]["rope_theta"]
    config["local_rope_theta"] = bases["sliding_attention"]["rope_theta"]
    config |= {"layer_norm_eps": 1e-1, "position_embedding_type": "absolute", "reference_compile": True}


def roberta(folder: Path, hidden_size: int, intermediate_size: int = 23, heads: int = 2, layers: int = 2, kind: str = "roberta") -> None:
    """RoBERTa, or with `kind` another of the same build; positions begin after that of the padding, so the table has two rows more than a text."""
    config, model, tokenizer = {
        "roberta": (RobertaConfig, RobertaModel, "roberta"),
        "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, "xlm-roberta"),
        "camembert": (CamembertConfig, CamembertModel, "xlm-roberta"),
    }[kind]
    tokens = save_tokenizer(folder, tokenizer)
    if tokenizer == "xlm-roberta":
        without_table(folder)
    config = config(
        hidden_size=hidden_size, intermediate_size=intermediate_size, num_attention_heads=heads, num_hidden_layers=layers,
        type_vocab_size=1, layer_norm_eps=1e-5, max_position_embeddings=LENGTH + 2, **tokens,
    )  # fmt: skip
    model(config).save_pretrained(folder)


def distilbert(folder: Path, hidden_size: int, intermediate_size: int = 23, heads: int = 2) -> None:
    tokens = save_tokenizer(folder, "distilbert-cased")
    config = DistilBertConfig(
        dim=hidden_size, hidden_dim=intermediate_size, n_heads=heads, n_layers=2, max_position_embeddings=LENGTH,
        vocab_size=tokens["vocab_size"], pad_token_id=tokens["pad_token_id"],
    )  # fmt: skip
    DistilBertModel(config).save_pretrained(folder)
