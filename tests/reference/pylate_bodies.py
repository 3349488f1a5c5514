"""The cases of the architectures after BERT whose reference is PyLate: its own layout and Stanford's."""

import json
from functools import partial
from pathlib import Path

from pylate import models
from torch import nn
from transformers import AutoModel

import bodies
import tiny
from pylate_cases import Subject, build

MARKERS = {"query_prefix": "[Q] ", "document_prefix": "[D] "}


def save(folder: Path, seed: int, dense: list[models.Dense], body, **options) -> None:
    build(folder, seed, dense, body=body, scale=bodies.scale, half=True, **options)


def stanford(folder: Path, seed: int, body, dimension: int, special: list[str] = [], **metadata) -> None:
    """`special`: tokens that the tokenizer gets first."""
    body(folder)
    model = AutoModel.from_pretrained(folder)
    if special:
        model.resize_token_embeddings(bodies.add_tokens(folder, special).get_vocab_size())
    tiny.seed_weights(model, seed, bodies.scale)
    linear = nn.Linear(model.config.hidden_size, dimension, bias=False)
    tiny.seed_weights(linear, seed + 1, bodies.scale)
    bodies.save_stanford(folder, bodies.prefixed(model.half()), json.loads(model.config.to_json_string()), linear.half(), **metadata)


def modernbert_pylate(folder: Path) -> None:
    """The spelling of transformers 4; a stack of plain Dense modules and no expansion, as in mxbai-edge."""
    body = partial(bodies.modernbert, hidden_size=40, intermediate_size=27)
    dense = [models.Dense(40, 20, bias=False), models.Dense(20, 12, bias=False)]
    save(folder, 21, dense, body, query_length=16, document_length=30, do_query_expansion=False, **MARKERS)
    bodies.edit(folder / "config.json", bodies.older_modernbert_spelling)


def modernbert_stanford(folder: Path) -> None:
    """Every bias that the config knows, another activation, every second layer global; mmBERT's tokens."""
    flags = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "hidden_activation": "silu"}
    shape = {"hidden_size": 48, "num_attention_heads": 1, "intermediate_size": 31, "global_attn_every_n_layers": 2}
    body = partial(bodies.modernbert, tokenizer="mmbert", **shape, **flags)
    stanford(folder, 22, body, 16, query_token_id="<unused0>", doc_token_id="<unused1>", doc_maxlen=30)


def xlm_roberta_pylate(folder: Path) -> None:
    """Attended expansion by a token that is the padding too, and that positions count like any other."""
    body = partial(bodies.roberta, kind="xlm-roberta", hidden_size=24, intermediate_size=33)
    save(folder, 24, [models.Dense(24, 8, bias=False)], body, query_length=14, document_length=24,
         attend_to_expansion_tokens=True, **MARKERS)  # fmt: skip


def xlm_roberta_stanford(folder: Path) -> None:
    body = partial(bodies.roberta, kind="xlm-roberta", hidden_size=24, intermediate_size=33)
    stanford(folder, 25, body, 8, query_token_id="<s>", doc_token_id="</s>")


def camembert_stanford(folder: Path) -> None:
    """As colbertv1-camembert-base-mmarcoFR has them: markers that are no other's tokens."""
    body = partial(bodies.roberta, kind="camembert", hidden_size=28, intermediate_size=25)
    stanford(folder, 43, body, 8, special=["[unused0]", "[unused1]"], query_maxlen=14, doc_maxlen=24)


def roberta_pylate(folder: Path) -> None:
    """Two Dense modules with a bias, an activation and a residual each."""
    body = partial(bodies.roberta, hidden_size=36, heads=3, intermediate_size=29)
    dense = [
        models.Dense(36, 20, bias=True, activation_function=nn.GELU(), use_residual=True),
        models.Dense(20, 20, bias=False, activation_function=nn.Tanh(), use_residual=True),
    ]
    save(folder, 27, dense, body, query_length=12, document_length=20, skiplist_words=["Ġthe", ","], **MARKERS)


def roberta_stanford(folder: Path) -> None:
    body = partial(bodies.roberta, hidden_size=20, intermediate_size=21, layers=3)
    stanford(folder, 28, body, 8, special=["[unused0]", "[unused1]"], attend_to_mask_tokens=True)


def distilbert_pylate(folder: Path) -> None:
    body = partial(bodies.distilbert, hidden_size=24, intermediate_size=35)
    save(folder, 30, [models.Dense(24, 8, bias=True)], body, query_length=12, document_length=20, **MARKERS)


def distilbert_stanford(folder: Path) -> None:
    """Markers in the vocabulary, as colbertv2.0 has them."""
    stanford(folder, 31, partial(bodies.distilbert, hidden_size=20, intermediate_size=27), 8)


CASES = {
    "modernbert-pylate": (modernbert_pylate, Subject),
    "modernbert-stanford": (modernbert_stanford, Subject),
    "xlm-roberta-pylate": (xlm_roberta_pylate, Subject),
    "xlm-roberta-stanford": (xlm_roberta_stanford, Subject),
    "camembert-stanford": (camembert_stanford, Subject),
    "roberta-pylate": (roberta_pylate, Subject),
    "roberta-stanford": (roberta_stanford, Subject),
    "distilbert-pylate": (distilbert_pylate, Subject),
    "distilbert-stanford": (distilbert_stanford, Subject),
}
