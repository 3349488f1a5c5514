"""The cases of the architectures after BERT whose reference is PyLate: its own layout and Stanford's."""

from functools import partial
from pathlib import Path

from pylate import models
from torch import nn

import bodies
from pylate_cases import Subject, build

MARKERS = {"query_prefix": "[Q] ", "document_prefix": "[D] "}


def save(folder: Path, seed: int, dense: list[models.Dense], body, **options) -> None:
    build(folder, seed, dense, body=body, scale=bodies.scale, **options)


def modernbert_pylate(folder: Path) -> None:
    """The spelling of transformers 4; a stack of plain Dense modules and no expansion, as in mxbai-edge."""
    body = partial(bodies.modernbert, hidden_size=40, intermediate_size=27)
    dense = [models.Dense(40, 20, bias=False), models.Dense(20, 12, bias=False)]
    save(folder, 21, dense, body, query_length=16, document_length=30, do_query_expansion=False, half=True, **MARKERS)
    bodies.edit(folder / "config.json", bodies.older_modernbert_spelling)


CASES = {
    "modernbert-pylate": (modernbert_pylate, Subject),
}
