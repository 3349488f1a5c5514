"""Writes the similarity maps that sentence-transformers and colpali-engine make of random embeddings of pages: `tests/fixtures/similarity_maps.json`.

colpali-engine's models need packages that fixtures do not: of it the arithmetic of one file is asked for, without what the package imports.
"""

import importlib.util
import sys
from functools import cache
from types import ModuleType

import torch
from sentence_transformers.multi_vector_encoder.interpretability import maxsim_similarity_map

from make_fixtures import FIXTURES, pinned_versions
from record import compact, float32

DIMENSION = 4
QUERY_TOKENS = 3
# Side of a tile in patches; of the real models it is 8.
TILE = 2


def values(tensor: torch.Tensor) -> list[float]:
    return [float32(value) for value in tensor.flatten().tolist()]


@cache
def tiled() -> type:
    name = "colpali_engine"
    package = ModuleType(name)
    package.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
    sys.modules[name] = package
    from colpali_engine.utils.processing_utils import Idefics3SplitImageInterpretabilityMixin

    return Idefics3SplitImageInterpretabilityMixin


def case(rows: int, columns: int, before: int, behind: int, tile: int | None) -> dict:
    """A page with tokens that are no patches before its own and behind them."""
    patches = rows * columns
    embeddings, query = torch.randn(before + patches + behind, DIMENSION), torch.randn(QUERY_TOKENS, DIMENSION)
    mask = torch.zeros(len(embeddings), dtype=torch.bool)
    mask[before : before + patches] = True
    if tile is None:
        maps = maxsim_similarity_map(query, embeddings, (columns, rows), mask)
    else:
        processor = tiled()()
        processor.image_seq_len = tile**2
        # Column by column.
        [maps] = processor.get_similarity_maps_from_embeddings(embeddings[None], query[None], (columns, rows), mask[None])
        maps = maps.transpose(1, 2)
    return {
        "grid": [rows, columns],
        "offset": before,
        "tile": tile,
        "query": values(query),
        "embeddings": values(embeddings),
        "maps": [values(one) for one in maps],
    }


def main() -> None:
    torch.manual_seed(11)
    torch.set_num_threads(1)
    expected = {
        "reference": pinned_versions("requirements.txt") | pinned_versions("requirements-pages.txt"),
        "dimension": DIMENSION,
        "cases": [
            case(3, 2, before=0, behind=0, tile=None),
            case(2, 5, before=4, behind=3, tile=None),
            case(3 * TILE, 2 * TILE, before=0, behind=TILE**2, tile=TILE),
            case(1 * TILE, 3 * TILE, before=0, behind=0, tile=TILE),
        ],
    }
    (FIXTURES / "similarity_maps.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
