"""Writes what sentence-transformers' `maxsim` and `mean_maxsim` give for random embeddings: `tests/fixtures/similarity.json`."""

import torch
from sentence_transformers.util import maxsim, mean_maxsim

from make_fixtures import FIXTURES, pinned_versions
from record import compact, float32

DIMENSION = 6
QUERIES, DOCUMENTS = [3, 1, 7], [2, 9, 1, 5]


def embeddings(lengths: list[int]) -> list[torch.Tensor]:
    """Of any length, all of the last one's pointing one way, so that maxima are negative too."""
    texts = [torch.randn(length, DIMENSION) for length in lengths]
    return [*texts[:-1], -texts[-1].abs()]


def rows(texts) -> list:
    return [[float32(value) for value in text.flatten().tolist()] for text in texts]


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    queries, documents = embeddings(QUERIES), embeddings(DOCUMENTS)
    expected = {
        "reference": pinned_versions("requirements.txt"),
        "dimension": DIMENSION,
        "queries": rows(queries),
        "documents": rows(documents),
        "maxsim": rows(maxsim(queries, documents)),
        "meanmaxsim": rows(mean_maxsim(queries, documents)),
    }
    (FIXTURES / "similarity.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
