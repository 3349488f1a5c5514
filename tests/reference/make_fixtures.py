"""Makes the fixture checkpoints and writes what the reference libraries compute on them.

PyLate and sentence-transformers 6 need different versions of the same packages, so each has its own environment; run in one, this
makes the cases whose reference is the library that the environment has. Case names may be given to make those alone.
"""

import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

# One thread: the order of sums, and so every bit of the output, is the same on each run.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch

import record
from texts import FEW, FEW_HIDDEN, HIDDEN, TEXTS

FIXTURES = Path(__file__).parent.parent / "fixtures"
HERE = Path(__file__).parent


def library() -> str:
    major = int(version("sentence-transformers").split(".")[0])
    return "sentence-transformers" if major >= 6 else "pylate"


def pinned_versions(requirements: str) -> dict:
    """The versions in use, which must be the pinned ones."""
    pins = dict(line.split("==") for line in (HERE / requirements).read_text().split())
    wrong = {name: version(name) for name, pin in pins.items() if version(name) != pin}
    assert not wrong, f"not the versions of {requirements}: {wrong}"
    return pins


def compact_json(folder: Path) -> None:
    """tokenizer.json without its white space, which is most of it."""
    path = folder / "tokenizer.json"
    path.write_text(record.compact(json.loads(path.read_text("utf-8"))), "utf-8")


def make(name: str, build, subject, reference: dict, texts: list[str], hidden: list[int]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        checkpoint = folder / "checkpoint"
        checkpoint.mkdir(parents=True)
        build(checkpoint)
        compact_json(checkpoint)
        model = subject(checkpoint)
        expected, tensors = record.record(model, record.all_texts(model, texts), hidden)
        record.write(folder, {"reference": reference} | expected, tensors)
        shutil.rmtree(FIXTURES / name, ignore_errors=True)
        shutil.copytree(folder, FIXTURES / name)
    print(name, sum(path.stat().st_size for path in (FIXTURES / name).rglob("*") if path.is_file()))


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if library() == "pylate":
        from pylate_bodies import CASES as BODIES
        from pylate_cases import CASES

        reference = pinned_versions("requirements-pylate.txt")
    else:
        from sentence_transformers_bodies import CASES as BODIES
        from sentence_transformers_cases import CASES

        reference = pinned_versions("requirements.txt")
    # The forms of a checkpoint's files are BERT's part; another body needs fewer texts.
    for name in sys.argv[1:] or [*CASES, *BODIES]:
        texts, hidden = (TEXTS, HIDDEN) if name in CASES else (FEW, FEW_HIDDEN)
        make(name, *(CASES | BODIES)[name], reference, texts, hidden)


if __name__ == "__main__":
    main()
