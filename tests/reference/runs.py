"""A small judged set with a run in TREC's form, and what trec_eval (by pytrec_eval) says of that run and of one of ours.

In the run scores tie, lines come in no order and ranks mean nothing: trec_eval sorts by score as a 32-bit number, equal ones by document id,
falling. It has no reciprocal rank with a cutoff, so that measure gets the first ten alone. A judged query without a line in a run counts as 0.

`ours.txt` is what `tabrank eval --stage bm25 --write-run` writes; where it is not there yet, only the other run is measured.
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytrec_eval

HERE = Path(__file__).parent
FOLDER = HERE.parent / "fixtures" / "runs"
DOCUMENTS, QUERIES = 130, 6
MEASURES = {"ndcg@10": "ndcg_cut_10", "recall@100": "recall_100"}
WORDS = "oil price war bread oven faust goethe poet river bank stone tower light night snow road".split()


def texts(chance: random.Random) -> tuple[list[str], list[str]]:
    """Documents and queries; some documents read the same."""
    documents = [" ".join(chance.choices(WORDS, k=chance.randint(3, 9))) for _ in range(DOCUMENTS - 10)]
    return documents + chance.sample(documents, 10), [" ".join(chance.sample(WORDS, 3)) for _ in range(QUERIES)]


def judge(chance: random.Random) -> dict:
    """Grades of -1 to 3; nothing is relevant to the last query but one."""
    documents = [f"d{place}" for place in range(DOCUMENTS)]
    qrels = {f"q{query}": {d: chance.choice([-1, 0, 1, 1, 2, 3]) for d in chance.sample(documents, 60)} for query in range(QUERIES)}
    qrels[f"q{QUERIES - 2}"] = {d: min(grade, 0) for d, grade in qrels[f"q{QUERIES - 2}"].items()}
    return qrels


def retrieve(chance: random.Random) -> dict:
    """Of the last query nothing; of the others also more than a hundred documents, with scores that only differ beyond 32 bits."""
    documents = [f"d{place}" for place in range(DOCUMENTS)]
    run = {}
    for query in range(QUERIES - 1):
        found = chance.sample(documents, [DOCUMENTS, 120, 40, 5, 20][query])
        run[f"q{query}"] = {d: round(chance.uniform(-3, 9), 1) + chance.choice([0, 0, 1e-12]) for d in found}
    return run


def first_ten(run: dict) -> dict:
    order = {query: sorted(found, key=lambda d: (np.float32(found[d]), d), reverse=True) for query, found in run.items()}
    return {query: {d: run[query][d] for d in documents[:10]} for query, documents in order.items()}


def measure(qrels: dict, run: dict, relevant_from: int) -> dict:
    def mean(run: dict, measure: str) -> float:
        found = pytrec_eval.RelevanceEvaluator(qrels, {measure}, relevance_level=relevant_from).evaluate(run)
        return sum(values[measure] for values in found.values()) / len(qrels)

    figures = {name: mean(run, measure) for name, measure in MEASURES.items()}
    return figures | {"mrr@10": mean(first_ten(run), "recip_rank")}


def pinned_versions() -> dict:
    pins = dict(line.split("==") for line in (HERE / "requirements-runs.txt").read_text().split())
    assert all(version(name) == pin for name, pin in pins.items()), "not the versions of requirements-runs.txt"
    return pins


def write(name: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("\n".join(lines) + "\n", "utf-8")


def records(prefix: str, texts: list[str]) -> list[str]:
    return [json.dumps({"_id": f"{prefix}{place}", "text": text}) for place, text in enumerate(texts)]


def main() -> None:
    chance = random.Random(3)
    (documents, queries), qrels, run = texts(chance), judge(chance), retrieve(chance)
    FOLDER.mkdir(exist_ok=True)
    write("corpus.jsonl", records("d", documents))
    write("queries.jsonl", records("q", queries))
    write("qrels.tsv", [f"{query} 0 {d} {grade}" for query, grades in qrels.items() for d, grade in grades.items()])
    lines = [f"{query} Q0 {d} {chance.randrange(99)} {score!r} tool" for query, scores in run.items() for d, score in scores.items()]
    chance.shuffle(lines)
    write("run.txt", lines)
    runs = {"run": run}
    if (FOLDER / "ours.txt").exists():
        with open(FOLDER / "ours.txt", encoding="utf-8") as file:
            runs["ours"] = pytrec_eval.parse_run(file)
    expected = {"reference": pinned_versions()} | {name: {str(grade): measure(qrels, run, grade) for grade in (1, 2, 3)} for name, run in runs.items()}
    write("expected.json", [json.dumps(expected, indent=1)])


if __name__ == "__main__":
    main()
