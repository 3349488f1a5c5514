"""Writes what PyLate's and sentence-transformers' hierarchical token pooling make of random unit vectors, and what a model that ends
in sentence-transformers' module makes of texts: `tests/fixtures/token_pooling/`. Run once in each environment.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from make_fixtures import FIXTURES, library, pinned_versions
from record import compact, float32

DIMENSION = 6
LENGTHS = [1, 2, 3, 4, 9, 20, 40]
# Factor and protected tokens; PyLate's factors are whole.
WHOLE = [(1, 1), (2, 1), (2, 0), (3, 1), (4, 3), (100, 1)]
BROKEN = [(1.5, 1), (1.3, 0), (1.1, 2)]


def documents() -> list[torch.Tensor]:
    """Around some centers, as the tokens of a text are; the last one holds tokens that are the same, whose merges have one height."""
    generator = np.random.default_rng(3)
    texts = []
    for length in LENGTHS:
        centers = generator.normal(size=(1 + length // 5, DIMENSION))
        rows = centers[generator.integers(len(centers), size=length)] + 0.5 * generator.normal(size=(length, DIMENSION))
        texts.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    texts.append(np.eye(DIMENSION)[[0, 1, 0, 2, 1, 0, 2, 3]])
    return [torch.tensor(rows, dtype=torch.float32) for rows in texts]


def pylate(rows: torch.Tensor, factor: float, protected: int, normalize: bool) -> torch.Tensor:
    from pylate.models import ColBERT

    return ColBERT.pool_embeddings_hierarchical(None, [rows], factor, protected)[0]


def sentence_transformers(rows: torch.Tensor, factor: float, protected: int, normalize: bool) -> torch.Tensor:
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import HierarchicalTokenPooling

    return HierarchicalTokenPooling(factor, num_protected_tokens=protected, normalize_embeddings=normalize).pool([rows])[0]


TEXTS = ["The oil crisis began in October of that year.", "oil", "water and oil and water and oil"]


def model(folder: Path) -> dict:
    """The case sentence-transformers with the module behind its own. Of its files only those are kept that the case has otherwise."""
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import HierarchicalTokenPooling

    from sentence_transformers_cases import Subject

    model = Subject(FIXTURES / "sentence-transformers" / "checkpoint").model
    model.append(HierarchicalTokenPooling(1.5, num_protected_tokens=2))
    with tempfile.TemporaryDirectory() as saved:
        model.save(saved)
        model = Subject(saved).model
        for file in ["modules.json", "4_HierarchicalTokenPooling/config.json"]:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(saved) / file, folder / file)
    encode = {"document": model.encode_document, "query": model.encode_query}
    embeddings = {kind: [values(encode(text)) for text in TEXTS] for kind, encode in encode.items()}
    return {"texts": TEXTS, "dimension": model.get_embedding_dimension()} | embeddings


def values(rows: torch.Tensor) -> list[float]:
    return [float32(value) for value in rows.flatten().tolist()]


def main() -> None:
    torch.set_num_threads(1)
    is_pylate = library() == "pylate"
    pool = pylate if is_pylate else sentence_transformers
    cases = [(*case, False) for case in WHOLE] if is_pylate else [(*case, True) for case in WHOLE[:3] + BROKEN] + [(1.5, 1, False)]
    texts = documents()
    expected = {
        "reference": pinned_versions("requirements-pylate.txt" if is_pylate else "requirements.txt"),
        "dimension": DIMENSION,
        "documents": [values(rows) for rows in texts],
        "cases": [
            {
                "factor": factor,
                "protected": protected,
                "normalize": normalize,
                "pooled": [values(pool(rows, factor, protected, normalize)) for rows in texts],
            }
            for factor, protected, normalize in cases
        ],
    }
    folder = FIXTURES / "token_pooling"
    folder.mkdir(exist_ok=True)
    if not is_pylate:
        (folder / "model.json").write_text(compact(model(folder / "checkpoint")) + "\n", "utf-8")
    (folder / f"{library()}.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
