"""Writes index folders as PyLate, fast-plaid, colbert-ai and next-plaid do, each with queries and the library's own ten best documents:
`tests/fixtures/indexes/CASE/`, `tests/fixtures/indexes/queries.json`.

    foreign_indexes.py next-plaid PROGRAM    case next-plaid; PROGRAM is built of next-plaid/
    foreign_indexes.py stanford              cases colbert-ai and pylate-stanford, in an environment of requirements-stanford.txt
    foreign_indexes.py                       cases pylate and fast-plaid
    foreign_indexes.py read FOLDER           what fast-plaid answers of a folder that `tabrank index build --format plaid` has written

Embeddings are random ones around some directions, of numbers that halves can hold. All centroids that hold a document of the ten best are
looked at and all candidates get an exact score, so that the ten best are those of exhaustive MaxSim over what the codes stand for.
Left out of the folders is what the libraries do not need to read them: merged copies, and embeddings that were kept for a later update.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "indexes"

DIMENSION, DIRECTIONS, DOCUMENTS, QUERIES, QUERY = 32, 12, 60, 4, 5
TOP_K, PROBE = 10, 32
# Documents in a file, where a library can be told.
CHUNK = 25
# By their places; what is left keeps its order.
REMOVED = [3, 40]
# Stanford's settings hold it.
ROOT = "indexes"
NOT_NEEDED = ["merged_*", "embeddings*", "buffer*", "*.lock", "metadata.db", "*.inv_norms.npy"]


def halves(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(np.float32)


def unit(values: np.ndarray) -> np.ndarray:
    return halves(values / np.linalg.norm(values, axis=-1, keepdims=True))


def collection() -> tuple[list[np.ndarray], np.ndarray]:
    """Documents and queries."""
    draw = np.random.default_rng(14)
    directions = draw.standard_normal((DIRECTIONS, DIMENSION))
    lengths = draw.integers(3, 9, DOCUMENTS)
    around = lambda count: unit(directions[draw.integers(0, DIRECTIONS, count)] + 0.6 * draw.standard_normal((count, DIMENSION)))
    documents = np.split(around(lengths.sum()), np.cumsum(lengths)[:-1])
    return documents, around(QUERIES * QUERY).reshape(QUERIES, QUERY, DIMENSION)


def ids() -> list[str]:
    """Texts of several lengths and alphabets."""
    return [f"дocument/{'x' * (number % 7)}{number}" for number in range(DOCUMENTS)]


def keep(case: str, folder: Path, answers: list[list[tuple[str, float]]], settings: dict) -> None:
    target = FIXTURES / case
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*NOT_NEEDED))
    kept = [[[document, round(score, 5)] for document, score in answer[:TOP_K]] for answer in answers]
    file = FIXTURES / "queries.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {"queries": collection()[1].tolist(), case: settings | {"answers": kept}}
    file.write_text(json.dumps(dict(sorted(known.items())), ensure_ascii=False, separators=(",", ":")) + "\n")


def seed() -> None:
    torch.manual_seed(1)
    random.seed(1)
    torch.set_num_threads(1)


def pylate(use_fast: bool, nbits: int) -> None:
    """With ids of texts, some of which were removed again."""
    from pylate import indexes

    seed()
    documents, queries = collection()
    case = "pylate" if use_fast else "pylate-stanford"
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        options = {"nbits": nbits, "show_progress": False, "device": "cpu"} if use_fast else {"nbits": nbits, "embedding_size": DIMENSION}
        index = indexes.PLAID(ROOT, "index", True, use_fast, n_ivf_probe=PROBE, n_full_scores=8192, **options)
        if not use_fast:
            index._index.config.configure(centroid_score_threshold=-1.0, name="run")
        index.add_documents(ids(), documents)
        index.remove_documents([ids()[place] for place in REMOVED])
        answers = index(torch.from_numpy(queries), k=TOP_K)
        answers = [[(hit["id"], float(hit["score"])) for hit in answer] for answer in answers]
        keep(case, Path(ROOT) / "index", answers, {"documents": DOCUMENTS - len(REMOVED), "nbits": nbits})


def search(folder: str, queries: np.ndarray) -> list[list[tuple[str, float]]]:
    from fast_plaid.search import FastPlaid

    index = FastPlaid(index=folder, device="cpu")
    found = index.search(torch.from_numpy(queries), top_k=TOP_K, n_ivf_probe=PROBE, n_full_scores=8192, show_progress=False)
    return [[(str(document), float(score)) for document, score in answer] for answer in found]


def fast_plaid(nbits: int) -> None:
    """In several files, and without ids."""
    from fast_plaid.search import FastPlaid

    seed()
    documents, queries = collection()
    with tempfile.TemporaryDirectory() as folder:
        index = FastPlaid(index=folder, device="cpu")
        index.create([torch.from_numpy(document) for document in documents], nbits=nbits, batch_size=CHUNK, seed=42)
        answers = search(folder, queries)
        keep("fast-plaid", Path(folder), answers, {"documents": DOCUMENTS, "nbits": nbits})


def next_plaid(program: str, nbits: int) -> None:
    documents, queries = collection()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        arrays = {"values": np.concatenate(documents), "lengths": np.array([len(document) for document in documents]), "queries": queries}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        command = [program, str(folder), str(folder / "index"), str(nbits), str(CHUNK), str(PROBE)]
        # Otherwise it rounds residuals and queries to int8 for speed.
        environment = os.environ | {"NEXT_PLAID_FLOAT_RESCORE": "1"}
        printed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
        answers = [[(str(document), score) for document, score in answer] for answer in printed]
        keep("next-plaid", folder / "index", answers, {"documents": DOCUMENTS, "nbits": nbits})


def colbert_ai(nbits: int) -> None:
    """Its own indexer and scorer; in place of its encoder stands one that has the embeddings."""
    from colbert.infra import ColBERTConfig, Run, RunConfig
    from colbert.indexing import collection_indexer
    from colbert.modeling.colbert import ColBERT
    from colbert.search.index_storage import IndexScorer

    seed()
    documents, queries = collection()

    class Encoder:
        def __init__(self, config, checkpoint):
            pass

        def encode_passages(self, passages):
            chosen = [documents[int(passage)] for passage in passages]
            return torch.from_numpy(np.concatenate(chosen)), [len(document) for document in chosen]

    collection_indexer.Checkpoint = lambda name, colbert_config: None
    collection_indexer.CollectionEncoder = Encoder
    run = RunConfig(nranks=1, root=ROOT, experiment="e", name="run")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), Run().context(run):
        config = ColBERTConfig(nbits=nbits, dim=DIMENSION, index_name="index", kmeans_niters=4, index_bsize=1)
        config = ColBERTConfig.from_existing(config, Run().config)
        path = Path(config.index_path_)
        path.mkdir(parents=True)
        texts = collection_indexer.Collection(data=[str(number) for number in range(DOCUMENTS)])
        texts.get_chunksize = lambda: CHUNK
        collection_indexer.encode(config, texts, [], None, verbose=0)
        config.configure(ncells=PROBE, centroid_score_threshold=-1.0, ndocs=8192)
        scorer = IndexScorer(str(path), use_gpu=False)
        ColBERT.try_load_torch_extensions(use_gpu=False)
        ranked = [scorer.rank(config, torch.from_numpy(query)[None]) for query in queries]
        answers = [[(str(document), score) for document, score in zip(*answer)] for answer in ranked]
        keep("colbert-ai", path, answers, {"documents": DOCUMENTS, "nbits": nbits})


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    match sys.argv[1:]:
        case ["next-plaid", program]:
            next_plaid(program, 4)
        case ["stanford"]:
            pylate(False, 2)
            colbert_ai(2)
        case ["read", folder]:
            print(json.dumps(search(folder, collection()[1])))
        case []:
            pylate(True, 4)
            fast_plaid(2)


if __name__ == "__main__":
    main()
