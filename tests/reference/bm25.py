"""Writes what bm25s, with Lucene's formula, gives for words that uniseg finds by Unicode's word boundaries, parted at
apostrophes: `tests/fixtures/bm25.json`."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import bm25s
import uniseg.wordbreak

from texts import TEXTS

HERE = Path(__file__).parent

QUERIES = [
    "oil crisis",
    "the price of oil in 1973",
    "OIL oil Oil price",
    "price price price of",
    "中国 東京",
    "ÉCOLE Straße",
    "nowhere to be found",
    "?!",
    TEXTS[4][:400],
]
DOCUMENTS = [
    *TEXTS,
    "The oil crisis began in October 1973; the price of oil rose from $3 to nearly $12.",
    "oil oil oil oil",
    "Oil, oil and OIL: it's the price's price.",
    "中国北京 and 東京 were hit as well.",
    "L'école de la Straße, l’été, ג' and ג'ירפה, ΌΣΟΣ, İstanbul, ǅ, 3.14 and 1,000; e-mail a_b can't 👩‍🔬",
]
# k1 and b.
OPTIONS = [(0.9, 0.4), (1.2, 0.75), (0.0, 0.5), (2.0, 0.0), (0.5, 1.0)]


def words(text: str) -> list[str]:
    found = [word for word in uniseg.wordbreak.words(text) if any(character.isalnum() for character in word)]
    return [part.lower() for word in found for part in re.split("['\u2019\uff07]", word) if part]


def scores(corpus: list[list[str]], query: list[str], k1: float, b: float) -> list[float]:
    """bm25s leaves out documents and queries without a word that it knows."""
    index = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64")
    index.index(corpus, show_progress=False)
    known = [word for word in query if word in index.vocab_dict]
    return index.get_scores(known).tolist() if known else [0.0] * len(corpus)


def pinned_versions() -> dict:
    pins = dict(line.split("==") for line in (HERE / "requirements-bm25.txt").read_text().split())
    assert all(version(name) == pin for name, pin in pins.items()), "not the versions of requirements-bm25.txt"
    return pins


def text(text: str, words: list[str]) -> dict:
    return {"text": text, "words": words}


def main() -> None:
    corpus, queries = [words(text) for text in DOCUMENTS], [words(text) for text in QUERIES]
    cases = [
        {"k1": k1, "b": b, "scores": [[round(score, 9) for score in scores(corpus, query, k1, b)] for query in queries]}
        for k1, b in OPTIONS
    ]
    expected = {
        "reference": pinned_versions(),
        "documents": list(map(text, DOCUMENTS, corpus)),
        "queries": list(map(text, QUERIES, queries)),
        "cases": cases,
    }
    path = HERE.parent / "fixtures" / "bm25.json"
    path.write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
