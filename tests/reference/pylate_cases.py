"""The cases whose reference is PyLate: its own layout in four shapes, and Stanford's."""

import json
import tempfile
from functools import partial
from pathlib import Path

import torch
from pylate import models
from pylate.scores import colbert_scores
from sentence_transformers.models import Transformer
from torch import nn
from transformers import BertModel
from transformers.utils import logging

import tiny
from bodies import edit, prefixed, save_stanford
from record import float32

logging.disable_progress_bar()


class Subject:
    def __init__(self, folder: Path) -> None:
        self.model = models.ColBERT(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
        assert all(parameter.dtype == torch.float32 for parameter in self.model.parameters())
        self.tokenizer = self.model.tokenizer
        self.body = self.model[0].auto_model
        self.dimension = self.model[-1].out_features

    def settings(self) -> dict:
        model = self.model
        expansion = {
            "strategy": "fixed",
            "attend": model.attend_to_expansion_tokens,
            "token_id": self.tokenizer.mask_token_id,
            "length": model.query_length,
        }
        return {
            "dimension": self.dimension,
            "query_length": model.query_length,
            "document_length": model.document_length,
            "query_marker_id": model.query_prefix_id,
            "document_marker_id": model.document_prefix_id,
            "query_expansion": expansion if model.do_query_expansion else None,
            "query_skiplist": [],
            "document_skiplist": sorted(model.skiplist),
        }

    def inserted_marker(self, kind: str) -> int | None:
        return self.model.query_prefix_id if kind == "query" else self.model.document_prefix_id

    def tokenizer_input(self, kind: str, text: str) -> tuple[str, list, int]:
        """PyLate strips the text, and lower-cases it when the checkpoint says so, before the tokenizer sees it."""
        start = len(text) - len(text.lstrip())
        string = text.strip()
        origins = list(range(start, start + len(string)))
        if self.model[0].do_lower_case:
            origins = [o for o, character in zip(origins, string) for _ in character.lower()]
            string = string.lower()
        length = self.model.query_length if kind == "query" else self.model.document_length
        return string, origins, length - (self.inserted_marker(kind) is not None)

    def encode(self, kind: str, text: str):
        is_query = kind == "query"
        whole = self.model.encode([text], is_query=is_query, output_value=None, show_progress_bar=False)
        embeddings = self.model.encode([text], is_query=is_query, show_progress_bar=False)[0]
        return embeddings, whole["masks"][0].astype(int).tolist()

    def score(self, query, document) -> float:
        return float32(colbert_scores(query[None], document[None])[0, 0])


def bert(folder: Path, vocab=None, cased=False) -> None:
    vocab = vocab or tiny.vocabulary()
    tiny.save_tokenizer(folder, vocab, 48, cased)
    tiny.bert(vocab).save_pretrained(folder)


def build(folder: Path, seed: int, dense: list[models.Dense], body=None, scale=tiny.scale, half=False, **options) -> None:
    """A checkpoint saved by PyLate itself, with all its weights seeded after the markers are in the vocabulary.

    `body` writes the transformers folder that it starts from.
    """
    with tempfile.TemporaryDirectory() as base:
        (body or bert)(Path(base))
        backbone = Transformer(base)
    model = models.ColBERT(modules=[backbone, *dense], device="cpu", **options)
    tiny.seed_weights(model, seed, scale)
    # A saved max_seq_length is whatever the last call left behind; it must not limit documents.
    model.tokenize(["water"], is_query=True)
    if half:
        model.half()
    model.save(str(folder), create_model_card=False)


def pylate(folder: Path) -> None:
    dense = models.Dense(32, 16, bias=False)
    build(folder, 2, [dense], query_length=12, document_length=20)


def pylate_attended_two_dense(folder: Path) -> None:
    dense = [
        models.Dense(32, 24, bias=True, activation_function=nn.GELU(), use_residual=True),
        models.Dense(24, 24, bias=False, activation_function=nn.Tanh(), use_residual=True),
    ]
    # With the special tokens and the marker skipped, an empty document keeps no embedding at all.
    skiplist = ["the", "of", ",", ".", "##s", "[CLS]", "[SEP]", "[unused1]"]
    build(
        folder, 3, dense, query_prefix="[unused0]", document_prefix="[unused1]", query_length=10,
        document_length=16, attend_to_expansion_tokens=True, skiplist_words=skiplist,
    )  # fmt: skip


def pylate_no_expansion(folder: Path) -> None:
    """A cased tokenizer whose checkpoint asks for lower case."""
    dense = models.Dense(32, 8, bias=True, activation_function=nn.ReLU())
    build(
        folder, 4, [dense], body=partial(bert, cased=True), query_prefix="[QueryMarker]", document_prefix="[DocumentMarker]",
        query_length=14, document_length=18, do_query_expansion=False, skiplist_words=[],
    )  # fmt: skip
    edit(folder / "sentence_bert_config.json", lambda config: config.update(do_lower_case=True))


def pylate_old(folder: Path) -> None:
    """A file from before several settings were saved; without markers."""
    dense = models.Dense(32, 8, bias=False)
    reordered = partial(bert, vocab=tiny.vocabulary(True))
    build(folder, 5, [dense], body=reordered, query_prefix="", document_prefix="", document_length=18)

    def age(config: dict) -> None:
        for key in ("do_query_expansion", "skiplist_words", "attend_to_expansion_tokens", "query_length", "model_type"):
            config.pop(key)

    edit(folder / "config_sentence_transformers.json", age)


def f16(folder: Path) -> None:
    """Half-precision weights, those of the backbone in several files."""
    dense = models.Dense(32, 16, bias=False)
    build(folder, 8, [dense], query_length=12, document_length=20, half=True)
    backbone = BertModel.from_pretrained(folder, dtype=torch.float16)
    (folder / "model.safetensors").unlink()
    backbone.save_pretrained(folder, max_shard_size="60KB")


def stanford(folder: Path) -> None:
    vocab = tiny.vocabulary(True)
    tiny.save_tokenizer(folder, vocab, 48)
    tiny.add_older_tokenizer_files(folder, vocab)
    body = tiny.bert(vocab)
    tiny.seed_weights(body, 6)
    linear = nn.Linear(32, 16, bias=False)
    tiny.seed_weights(linear, 7)
    others = {"bert.embeddings.position_ids": torch.arange(64)[None]}
    save_stanford(folder, prefixed(body) | others, json.loads(body.config.to_json_string()), linear)


CASES = {
    "pylate": (pylate, Subject),
    "pylate-attended-two-dense": (pylate_attended_two_dense, Subject),
    "pylate-no-expansion": (pylate_no_expansion, Subject),
    "pylate-old": (pylate_old, Subject),
    "stanford": (stanford, Subject),
    "f16": (f16, Subject),
}
