"""The cases of the architectures after BERT whose reference is sentence-transformers 6: its own layout, and checkpoints without a head."""

from functools import partial
from pathlib import Path

import torch
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import nn
from transformers import AutoModel

import bodies
import jina
import tiny
from sentence_transformers_cases import PlainSubject, Subject, bi_encoder_settings, build, token_dense

PROMPTS = {"query": "query: ", "document": "the text: "}
SETTINGS = {"sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": False}}


def save(folder: Path, seed: int, dense: list, body, mask: MultiVectorMask, prompts: dict = PROMPTS, **options) -> None:
    build(folder, seed, dense, mask, prompts, body=body, scale=bodies.scale, dtype=torch.bfloat16, **options)


def plain(folder: Path, seed: int, body) -> None:
    """The body alone, its weights under their own names, its tokens pooled by their mean; somebody's settings in tokenizer.json."""
    body(folder, hidden_size=20)
    bodies.bake(folder)
    model = AutoModel.from_pretrained(folder)
    tiny.seed_weights(model, seed, bodies.scale)
    model.half().save_pretrained(folder)
    bi_encoder_settings(folder, ["Pooling", "Normalize"], "mean_tokens", SETTINGS, model.config.hidden_size)


def linear(width: int, dimension: int) -> list:
    return [token_dense(width, dimension, bias=False, activation_function=nn.Identity())]


def modernbert(folder: Path) -> None:
    """The spelling of transformers 5, with a local layer first; attended expansion; prompts of ordinary words."""
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    shape = {"hidden_size": 64, "intermediate_size": 25, "num_hidden_layers": 3, "layer_types": kinds}
    expansion = {"strategy": "fixed", "attend": True, "length": 14}
    save(folder, 23, linear(64, 12), partial(bodies.modernbert, **shape), MultiVectorMask(skiplist_words=[",", "Ġthe"]),
         document_length=30, query_expansion=expansion)  # fmt: skip


def modernbert_wide(folder: Path) -> None:
    """Expansion up to a floor, not attended."""
    expansion = {"strategy": "min", "attend": False, "length": 8}
    save(folder, 33, linear(128, 8), bodies.wide_modernbert, MultiVectorMask(), {}, query_length=14, document_length=24,
         query_expansion=expansion)  # fmt: skip


def modernbert_plain(folder: Path) -> None:
    """Nothing but a masked language model, without the fields that have a default."""
    bodies.masked_modernbert(folder, 34, hidden_size=24, intermediate_size=23, global_rope_theta=160_000.0, local_rope_theta=10_000.0)

    def trim(config: dict) -> None:
        for key in ("layer_types", "rope_parameters", "norm_eps", "hidden_activation", "norm_bias", "attention_bias", "mlp_bias"):
            config.pop(key)

    bodies.edit(folder / "config.json", trim)


def xlm_roberta(folder: Path) -> None:
    body = partial(bodies.roberta, kind="xlm-roberta", hidden_size=64, heads=1, intermediate_size=37)
    dense = [
        token_dense(64, 20, bias=True, activation_function=nn.GELU(), use_residual=True),
        token_dense(20, 12, bias=False, activation_function=nn.Tanh()),
    ]
    markers = {"query": "[QueryMarker] ", "document": "[DocumentMarker] "}
    mask = MultiVectorMask(skiplist_words=[".", "▁the"], skiplist_tasks=["query", "document"])
    save(folder, 35, dense, body, mask, markers, special=["[QueryMarker]", "[DocumentMarker]"], query_length=14, document_length=24)


def roberta(folder: Path) -> None:
    body = partial(bodies.roberta, hidden_size=24, intermediate_size=31)
    expansion = {"strategy": "fixed", "attend": False, "token": "</s>", "length": 12}
    save(folder, 36, linear(24, 8), body, MultiVectorMask(skiplist_words=[]), document_length=20, query_expansion=expansion)


def distilbert(folder: Path) -> None:
    body = partial(bodies.distilbert, hidden_size=24, heads=1, intermediate_size=29)
    save(folder, 37, linear(24, 8), body, MultiVectorMask(), {}, query_length=12, document_length=20)


CASES = {
    "modernbert": (modernbert, Subject),
    "modernbert-wide": (modernbert_wide, Subject),
    "modernbert-plain": (modernbert_plain, PlainSubject),
    "xlm-roberta": (xlm_roberta, Subject),
    "xlm-roberta-plain": (partial(plain, seed=38, body=partial(bodies.roberta, kind="xlm-roberta")), PlainSubject),
    "camembert-plain": (partial(plain, seed=44, body=partial(bodies.roberta, kind="camembert")), PlainSubject),
    "roberta": (roberta, Subject),
    "roberta-plain": (partial(plain, seed=39, body=bodies.roberta), PlainSubject),
    "distilbert": (distilbert, Subject),
    "distilbert-plain": (partial(plain, seed=40, body=bodies.distilbert), PlainSubject),
    "jina": (jina.build, jina.JinaSubject),
    "jina-absolute": (jina.build_absolute, jina.AbsoluteSubject),
}
