"""Writes what colpali-engine's hierarchical token pooling makes of random unit vectors: `tests/fixtures/token_pooling/colpali-engine.json`."""

import torch
from colpali_engine.compression.token_pooling import HierarchicalTokenPooler

from make_fixtures import FIXTURES, pinned_versions
from record import compact
from token_pooling import DIMENSION, documents, values

FACTORS = [1, 2, 3, 4, 100]


def main() -> None:
    torch.set_num_threads(1)
    # It refuses a single one.
    texts = [rows for rows in documents() if len(rows) > 1]
    pooled = {factor: HierarchicalTokenPooler().pool_embeddings(texts, pool_factor=factor) for factor in FACTORS}
    expected = {
        "reference": pinned_versions("requirements-visual.txt"),
        "dimension": DIMENSION,
        "documents": [values(rows) for rows in texts],
        "cases": [{"factor": factor, "pooled": [values(rows) for rows in pooled[factor]]} for factor in FACTORS],
    }
    (FIXTURES / "token_pooling" / "colpali-engine.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
