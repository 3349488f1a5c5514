"""The cases whose reference is sentence-transformers 6: checkpoints without a head, and its own layout in three shapes."""

import json
import logging
import tempfile
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import nn

import tiny
from record import float32

logging.disable()
FLOAT32 = {"dtype": torch.float32}


class Subject:
    def __init__(self, folder: Path) -> None:
        self.adopt(MultiVectorEncoder(str(folder), device="cpu", model_kwargs=FLOAT32))

    def adopt(self, model: MultiVectorEncoder) -> None:
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
        self.model, self.transformer = model, model[0]
        self.tokenizer = model.tokenizer
        self.body = model[0].model
        self.dimension = model.get_embedding_dimension()
        self.mask = next(module for module in model if isinstance(module, MultiVectorMask))

    def limit(self, kind: str) -> int:
        """The most tokens of the text, prompt and special tokens that this kind keeps."""
        maximum = self.tokenizer.model_max_length
        if kind == "document":
            return self.transformer.document_length or maximum
        expansion, length = self.transformer.query_expansion, self.transformer.query_length
        if expansion and expansion["strategy"] == "fixed":
            return expansion["length"]
        return max(length, expansion["length"]) if expansion and length else length or maximum

    def expansion(self) -> dict | None:
        expansion = self.transformer.query_expansion
        if expansion is None:
            return None
        token = expansion["token"] or self.tokenizer.mask_token
        kept = {key: expansion[key] for key in ("strategy", "attend", "length")}
        return kept | {"token_id": self.tokenizer.convert_tokens_to_ids(token)}

    def skiplist(self, kind: str) -> list[int]:
        ids = self.mask._skiplist_ids
        return sorted(ids.tolist()) if ids is not None and kind in self.mask.skiplist_tasks else []

    def settings(self) -> dict:
        return {
            "dimension": self.dimension,
            "query_length": self.limit("query"),
            "document_length": self.limit("document"),
            "query_prompt": self.model.prompts["query"],
            "document_prompt": self.model.prompts["document"],
            "query_expansion": self.expansion(),
            "query_skiplist": self.skiplist("query"),
            "document_skiplist": self.skiplist("document"),
        }

    def inserted_marker(self, _kind: str) -> None:
        """Markers are text here, put before the tokenizer runs."""
        return None

    def tokenizer_input(self, kind: str, text: str) -> tuple[str, list, int]:
        prompt = self.model.prompts[kind]
        return prompt + text, [None] * len(prompt) + list(range(len(text))), self.limit(kind)

    def encode(self, kind: str, text: str):
        encode = self.model.encode_query if kind == "query" else self.model.encode_document
        mask = encode([text], output_value=None)[0]["attention_mask"]
        return encode([text], convert_to_numpy=True)[0], mask.long().tolist()

    def score(self, query, document) -> float:
        return float32(self.model.similarity([query], [document])[0, 0])


class PlainSubject(Subject):
    """A checkpoint without a head, read as late interaction over the last hidden states of all tokens."""

    def __init__(self, folder: Path) -> None:
        transformer = Transformer.load(str(folder), model_kwargs=FLOAT32)
        normalize = Normalize(module_input_name="token_embeddings")
        self.adopt(MultiVectorEncoder(modules=[transformer, MultiVectorMask(skiplist_words=[]), normalize], device="cpu"))


class BiEncoderSubject(Subject):
    """A bi-encoder as sentence-transformers turns it into a multi-vector model, and its own one vector a text."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.single = SentenceTransformer(str(folder), device="cpu", model_kwargs=FLOAT32)

    def vector(self, kind: str, text: str):
        encode = self.single.encode_query if kind == "query" else self.single.encode_document
        return encode(text)


def bi_encoder_backbone(folder: Path, seed: int) -> None:
    """The files, names and spellings of all-MiniLM-L6-v2, but for those of sentence-transformers."""
    vocab = tiny.vocabulary()
    tiny.save_tokenizer(folder, vocab, 48)
    tiny.add_older_tokenizer_files(folder, vocab)
    bert = tiny.bert(vocab)
    tiny.seed_weights(bert, seed)
    weights = bert.state_dict() | {"embeddings.position_ids": torch.arange(64)[None]}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    bert.config.architectures = ["BertModel"]
    bert.config.save_pretrained(folder)


def bi_encoder_settings(folder: Path, names: list[str], pooling: str, files: dict, width: int = 32) -> None:
    """`names`: the modules after the Transformer; `width`: of the hidden states."""
    paths = {name: f"{i}_{name}" for i, name in enumerate(names, 1)}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(({"Transformer": ""} | paths).items())
    ]
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    flags = {"word_embedding_dimension": width} | {f"pooling_mode_{mode}": mode == pooling for mode in modes}
    (folder / paths["Pooling"]).mkdir()
    for name, value in {"modules.json": modules, f"{paths['Pooling']}/config.json": flags, **files}.items():
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")


def plain(folder: Path) -> None:
    bi_encoder_backbone(folder, 1)
    versions = {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}
    bi_encoder_settings(folder, ["Pooling", "Normalize"], "mean_tokens", {
        "sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": versions},
    })  # fmt: skip


def bi_encoder(folder: Path) -> None:
    """A prompt for queries, others that no kind of text takes, the default one among them; the first token's vector through a Dense."""
    bi_encoder_backbone(folder, 12)
    (folder / "2_Dense").mkdir()
    dense = Dense(32, 16)
    tiny.seed_weights(dense, 13)
    dense.save(str(folder / "2_Dense"))
    prompts = {"query": "the price of war: ", "passage": "the city: ", "title": "the member "}
    bi_encoder_settings(folder, ["Pooling", "Dense", "Normalize"], "cls_token", {
        "sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": "title"},
    })  # fmt: skip


def bert(folder: Path, reordered=False) -> None:
    vocab = tiny.vocabulary(reordered)
    tiny.save_tokenizer(folder, vocab, 40)
    tiny.bert(vocab).save_pretrained(folder)


def build(folder: Path, seed: int, dense: list[Dense], mask: MultiVectorMask, prompts: dict, body=bert, scale=tiny.scale,
          dtype=torch.float32, special: list[str] = [], **lengths) -> None:  # fmt: skip
    """A checkpoint saved by sentence-transformers itself; `body` writes the transformers folder that it starts from."""
    with tempfile.TemporaryDirectory() as base:
        body(Path(base))
        transformer = Transformer(base, **lengths)
    if special:
        transformer.tokenizer.add_tokens(special, special_tokens=True)
        transformer.model.resize_token_embeddings(len(transformer.tokenizer))
    normalize = Normalize(module_input_name="token_embeddings")
    model = MultiVectorEncoder(modules=[transformer, *dense, mask, normalize], prompts=prompts, device="cpu")
    tiny.seed_weights(model, seed, scale)
    model.to(dtype).save_pretrained(str(folder), create_model_card=False)


def token_dense(*sizes, **options) -> Dense:
    return Dense(*sizes, module_input_name="token_embeddings", **options)


def sentence_transformers(folder: Path) -> None:
    """Prompts of ordinary words; one skipped word that the vocabulary lacks."""
    dense = token_dense(32, 16, bias=True, activation_function=nn.Tanh())
    mask = MultiVectorMask(skiplist_words=[",", ".", "the", "##s", "notaword"])
    expansion = {"strategy": "fixed", "attend": True, "length": 12}
    build(
        folder, 9, [dense], mask, {"query": "query: ", "document": "the text: "}, document_length=20,
        query_expansion=expansion,
    )  # fmt: skip


def sentence_transformers_min(folder: Path) -> None:
    """Markers as prompts, expansion up to a floor with a token of its own, and a skiplist for both kinds."""
    dense = [
        token_dense(32, 24, bias=True, activation_function=nn.GELU(), use_residual=True),
        token_dense(24, 12, bias=False, activation_function=nn.Identity()),
    ]
    mask = MultiVectorMask(skiplist_words=[",", ".", "?", "oil"], skiplist_tasks=["query", "document"])
    expansion = {"strategy": "min", "attend": False, "token": "[unused2]", "length": 8}
    build(
        folder, 10, dense, mask, {"query": "[unused0] ", "document": "[unused1] "}, body=partial(bert, reordered=True),
        query_length=14, document_length=18, query_expansion=expansion, special=["[unused0]", "[unused1]"],
    )  # fmt: skip


def bf16(folder: Path) -> None:
    """bfloat16 weights; no prompt, no expansion, no length but the tokenizer's for documents."""
    dense = token_dense(32, 8, bias=False, activation_function=nn.Identity())
    build(folder, 11, [dense], MultiVectorMask(), {}, dtype=torch.bfloat16, query_length=10)


CASES = {
    "plain": (plain, PlainSubject),
    "bi-encoder": (bi_encoder, BiEncoderSubject),
    "sentence-transformers": (sentence_transformers, Subject),
    "sentence-transformers-min": (sentence_transformers_min, Subject),
    "bf16": (bf16, Subject),
}
