"""Runs a model on the texts and writes what it computed, stage by stage.

A subject adapts one library: `tokenizer`, `body` (the transformers module), `dimension`, `settings()`, `inserted_marker(kind)`,
`tokenizer_input(kind, text)`, `encode(kind, text)` and `score(query, document)`; of a bi-encoder also `vector(kind, text)`.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers.models import Normalize, Pooling

from texts import with_limits

KINDS = {"query": "queries", "document": "documents"}


def stages(body: torch.nn.Module) -> list[torch.nn.Module]:
    """The modules whose outputs are the hidden states: the embeddings, then each layer; a norm at the end is part of the last one."""
    owner = getattr(body, "encoder", None) or getattr(body, "transformer", body)
    layers = list(owner.layer if hasattr(owner, "layer") else owner.layers)
    if hasattr(body, "final_norm"):
        layers[-1] = body.final_norm
    return [body.embeddings, *layers]


class Capture:
    """What really enters the body, and what each of its layers gives."""

    def __init__(self, body: torch.nn.Module) -> None:
        # Not a hook: sentence-transformers 6 calls forward itself, which passes the module's own hooks by.
        self.forward = body.forward
        body.forward = self.start
        for stage in stages(body):
            stage.register_forward_hook(self.layer)

    def start(self, **inputs):
        self.ids = inputs["input_ids"][0].tolist()
        self.attention_mask = inputs["attention_mask"][0].long().tolist()
        types = inputs.get("token_type_ids")
        assert types is None or not types.any(), "token types other than 0"
        self.hidden = []
        return self.forward(**inputs)

    def layer(self, _module, _args, output) -> None:
        output = output[0] if isinstance(output, tuple) else output
        self.hidden.append(output[0].float().clone())


def pooled(capture: Capture) -> np.ndarray:
    features = {
        "token_embeddings": capture.hidden[-1][None],
        "attention_mask": torch.tensor([capture.attention_mask]),
    }
    features = Normalize()(Pooling(capture.hidden[-1].shape[-1], "mean")(features))
    return features["sentence_embedding"][0].numpy()


def locate(subject, kind: str, text: str, capture: Capture) -> tuple[list, bool]:
    """Offsets in code points of `text` for each token, (0, 0) for inserted ones, and whether tokens were cut off.

    The string is tokenized a second time for its offsets; the ids must be those that the model was given.
    """
    string, origins, limit = subject.tokenizer_input(kind, text)
    again = subject.tokenizer(string, truncation="longest_first", max_length=limit, return_offsets_mapping=True)
    ids, spans = again["input_ids"], [place(span, origins) for span in again["offset_mapping"]]
    marker = subject.inserted_marker(kind)
    if marker is not None:
        ids, spans = ids[:1] + [marker] + ids[1:], spans[:1] + [(0, 0)] + spans[1:]
    assert capture.ids[: len(ids)] == ids, (kind, text, ids, capture.ids)
    spans += [(0, 0)] * (len(capture.ids) - len(ids))
    whole = subject.tokenizer(string, truncation=False)["input_ids"]
    return spans, len(whole) > len(again["input_ids"])


def place(span: tuple[int, int], origins: list[int | None]) -> tuple[int, int]:
    """`origins[i]` is where character i of the tokenized string stands in the text; None if it does not.

    A token that begins in the prompt has a place where it reaches into the text.
    """
    inside = [origin for origin in origins[span[0] : span[1]] if origin is not None]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def record_text(subject, capture: Capture, kind: str, text: str) -> tuple[dict, dict]:
    embeddings, mask = subject.encode(kind, text)
    offsets, truncated = locate(subject, kind, text, capture)
    entry = {
        "text": text,
        "ids": capture.ids,
        "attention_mask": capture.attention_mask,
        "embedding_mask": mask,
        "offsets": [list(span) for span in offsets],
        "truncated": truncated,
    }
    assert len(mask) == len(capture.ids) and sum(mask) == len(embeddings)
    assert np.isfinite(embeddings).all()
    tensors = {"embeddings": embeddings, "pooled": pooled(capture)}
    if hasattr(subject, "vector"):
        tensors["vector"] = subject.vector(kind, text)
    tensors |= {f"hidden.{i}": state.numpy() for i, state in enumerate(capture.hidden)}
    return entry, tensors


def fitting(subject, kind: str) -> int:
    """How many single-token words fit without truncation."""
    string, _, limit = subject.tokenizer_input(kind, "a")
    return limit - (len(subject.tokenizer(string)["input_ids"]) - 1)


def all_texts(subject, texts: list[str]) -> dict[str, list[str]]:
    return {kind: with_limits(texts, fitting(subject, kind)) for kind in KINDS}


def score_matrix(subject, queries: list, documents: list) -> list:
    return [[subject.score(q, d) if len(d) else None for d in documents] for q in queries]


def is_kept(name: str, layers: list[int] | None) -> bool:
    return not name.startswith("hidden") or layers is None or int(name.split(".")[1]) in layers


def record(subject, texts: dict[str, list[str]], hidden: list[int], layers: list[int] | None = None) -> tuple[dict, dict]:
    """`hidden`: the texts whose hidden states are kept, of all layers or of `layers` alone."""
    capture = Capture(subject.body)
    expected = {"settings": subject.settings(), "hidden": hidden}
    tensors, embeddings = {}, {}
    for kind, plural in KINDS.items():
        expected[plural], embeddings[kind] = [], []
        for index, text in enumerate(texts[kind]):
            entry, stages = record_text(subject, capture, kind, text)
            expected[plural].append(entry)
            embeddings[kind].append(stages["embeddings"])
            tensors |= {
                f"{kind}.{index}.{name}": np.ascontiguousarray(value, dtype=np.float32)
                for name, value in stages.items()
                if is_kept(name, layers if index in hidden else [])
            }
    expected["scores"] = score_matrix(subject, embeddings["query"], embeddings["document"])
    return expected, tensors


def compact(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write(folder: Path, expected: dict, tensors: dict) -> None:
    """A text, or a row of scores, a line."""
    lines = []
    for key, value in expected.items():
        rows = key in ("queries", "documents", "scores")
        body = "[\n" + ",\n".join(map(compact, value)) + "\n]" if rows else compact(value)
        lines.append(f"{compact(key)}: {body}")
    (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    save_file(dict(sorted(tensors.items())), folder / "expected.safetensors")


def float32(value) -> float:
    """The shortest decimal that reads back as the same f32."""
    return float(str(np.float32(value)))
