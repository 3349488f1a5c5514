"""Writes what the libraries compute on the fixtures' checkpoints with settings in place of the checkpoints' own: PyLate with
arguments of its constructor, sentence-transformers 6 with prompts and with what its modules are told. Run once in each environment.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.numpy import save_file

import make_fixtures
import record
from make_fixtures import FIXTURES, library

# What each setting shows in, short of a length, at it and beyond.
TEXTS = {
    "query": ["When did the oil crisis begin?", "a b c d e f g h i j k l m n o p q r s t u v w x y z"],
    "document": ["The crisis began in October, when the members of the group proclaimed an embargo.", " oil, water. "],
}

# A fixture and the constructor's arguments, which are the names that are ours too.
PYLATE = [
    ("pylate", {"query_length": 9, "document_length": 7}),
    ("pylate", {"query_length": 40, "attend_to_expansion_tokens": True}),
    ("pylate", {"do_query_expansion": False}),
    ("pylate", {"query_prefix": "[unused0]", "document_prefix": ""}),
    ("pylate", {"query_prefix": "", "document_prefix": "[Q] ", "skiplist_words": ["oil", "water", "[CLS]"]}),
    ("pylate", {"skiplist_words": []}),
    ("pylate-attended-two-dense", {"attend_to_expansion_tokens": False, "query_length": 24}),
    ("pylate-no-expansion", {"do_query_expansion": True, "query_length": 18}),
    ("pylate-old", {"query_length": 20, "query_prefix": "[unused1]", "do_query_expansion": False}),
    ("stanford", {"query_length": 20, "document_length": 9, "query_prefix": "[unused3]"}),
    ("stanford", {"do_query_expansion": False, "document_prefix": "", "skiplist_words": []}),
]

# A fixture, our names, and the same for sentence-transformers.
SENTENCE_TRANSFORMERS = [
    ("sentence-transformers", {"query_prefix": "", "document_prefix": "of the "}, {"prompts": {"query": "", "document": "of the "}}),
    (
        "sentence-transformers",
        {"query_length": 9, "document_length": 7, "attend_to_expansion_tokens": False},
        {"document_length": 7, "query_expansion": {"strategy": "fixed", "attend": False, "length": 9}},
    ),
    ("sentence-transformers", {"do_query_expansion": False}, {"query_expansion": None}),
    ("sentence-transformers", {"skiplist_words": ["oil", "of"]}, {"skiplist_words": ["oil", "of"]}),
    (
        "sentence-transformers",
        {"query_length": 20, "expansion_length": 14, "expansion_token": "[unused3]"},
        {"query_length": 20, "query_expansion": {"strategy": "min", "attend": True, "length": 14, "token": "[unused3]"}},
    ),
    ("sentence-transformers-min", {"query_length": 20}, {"query_length": 20}),
    (
        "sentence-transformers-min",
        {"expansion_length": 12, "attend_to_expansion_tokens": True, "skiplist_words": []},
        {"query_expansion": {"strategy": "min", "attend": True, "length": 12, "token": "[unused2]"}, "skiplist_words": []},
    ),
    (
        "bf16",
        {"do_query_expansion": True, "query_length": 16, "query_prefix": "oil ", "skiplist_words": ["the", "."]},
        {"query_length": 16, "query_expansion": {"strategy": "fixed", "length": 16}, "prompts": {"query": "oil "}, "skiplist_words": ["the", "."]},
    ),
    ("plain", {"query_prefix": "the oil ", "document_length": 9}, {"prompts": {"query": "the oil "}, "document_length": 9}),
]  # fmt: skip


def pylate_subjects():
    import pylate_cases
    from pylate import models

    for case, overrides in PYLATE:
        subject = pylate_cases.Subject.__new__(pylate_cases.Subject)
        model = models.ColBERT(
            str(FIXTURES / case / "checkpoint"), device="cpu", model_kwargs={"dtype": torch.float32}, **overrides
        )
        subject.model, subject.tokenizer = model, model.tokenizer
        subject.bert, subject.dimension = model[0].auto_model, model[-1].out_features
        yield case, overrides, subject


def sentence_transformers_subjects():
    from sentence_transformers_cases import CASES

    for case, overrides, told in SENTENCE_TRANSFORMERS:
        subject = CASES[case][1](FIXTURES / case / "checkpoint")
        subject.model.prompts |= told.get("prompts", {})
        # After the lengths: an expansion is held against the query's.
        for name in ("query_length", "document_length", "query_expansion"):
            if name in told:
                setattr(subject.transformer, name, told[name])
        if "skiplist_words" in told:
            subject.mask.skiplist_words = told["skiplist_words"]
            subject.mask.resolve_with_tokenizer(subject.tokenizer)
        yield case, overrides, subject


def main() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    name = library()
    requirements = "requirements-pylate.txt" if name == "pylate" else "requirements.txt"
    subjects = pylate_subjects() if name == "pylate" else sentence_transformers_subjects()
    cases, tensors = [], {}
    for place, (case, overrides, subject) in enumerate(subjects):
        expected, made = record.record(subject, TEXTS, hidden=[])
        kept = {key: expected[key] for key in ("queries", "documents", "scores")}
        cases.append({"case": case, "overrides": overrides} | kept)
        tensors |= {f"{place}.{key}": value for key, value in made.items() if key.endswith("embeddings")}
    folder = FIXTURES / "overrides" / name
    folder.mkdir(parents=True, exist_ok=True)
    reference = record.compact(make_fixtures.pinned_versions(requirements))
    rows = ",\n".join(map(record.compact, cases))
    (folder / "expected.json").write_text(f'{{\n"reference": {reference},\n"cases": [\n{rows}\n]\n}}\n', "utf-8")
    save_file(dict(sorted(tensors.items())), folder / "expected.safetensors")
    print(name, sum(path.stat().st_size for path in folder.iterdir()))


if __name__ == "__main__":
    main()
