"""Writes the scores of a first pass over the bits of pages: `tests/fixtures/visual/binary/`.

The bits are sentence-transformers' `ubinary`. Three scores over them: `hamming` is the sum over a query's tokens of the best `1 / (1 + distance)` between
bits and bits, `unpacked` takes a page's bits as 0 and 1 against the query's own numbers; both are rank profiles of Vespa's notebooks on ColPali. `signed`
takes them as −1 and 1.
"""

import shutil

import numpy as np
import torch
from sentence_transformers.util.quantization import quantize_embeddings

from visual import VISUAL, save_tensors, start, write_json

FOLDER = VISUAL / "binary"
# Numbers of a vector; bits of the last byte are left over where they are no multiple of 8.
WIDTHS = [20, 128]


def unit(rows: np.ndarray) -> torch.Tensor:
    return torch.tensor(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=torch.float32)


def scores(query: np.ndarray, bits: np.ndarray, query_bits: np.ndarray) -> dict:
    own = np.unpackbits(bits, axis=-1)[:, : query.shape[1]].astype(np.float64)
    distances = np.unpackbits(query_bits[:, None] ^ bits[None], axis=-1).sum(-1)
    products = {"unpacked": query.astype(np.float64) @ own.T, "signed": query.astype(np.float64) @ (2 * own - 1).T}
    best = {name: values.max(axis=1).sum() for name, values in products.items()}
    return {"hamming": (1 / (1 + distances)).max(axis=1).sum(), **best}


def binary() -> tuple[list[dict], dict]:
    cases, tensors = [], {}
    for width in WIDTHS:
        generator = np.random.default_rng(width)
        query = unit(generator.normal(size=(5, width))).numpy()
        pages = [unit(generator.normal(size=(count, width)) + query[count % 5]).numpy() for count in (1, 6, 30)]
        # Zero is no set bit, of either sign.
        pages[1][2, :3], pages[1][2, 3:5] = 0.0, -0.0
        query_bits, *bits = quantize_embeddings([query, *pages], precision="ubinary")
        tensors |= {f"{width}.query": query, f"{width}.query.bits": query_bits}
        for index, (rows, packed) in enumerate(zip(pages, bits)):
            tensors |= {f"{width}.page.{index}": rows, f"{width}.page.{index}.bits": packed}
            found = scores(query, packed, query_bits)
            cases.append({"dimension": width, "page": index} | {name: float(value) for name, value in found.items()})
    return cases, tensors


def main() -> None:
    reference = start()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    cases, tensors = binary()
    write_json(FOLDER / "expected.json", {"reference": reference, "cases": cases})
    save_tensors(FOLDER / "expected.safetensors", tensors)


if __name__ == "__main__":
    main()
