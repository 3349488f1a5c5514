"""Loads the checkpoints of PyLate's and Stanford's layout in sentence-transformers 6 and prints where it differs from the expected values.

Run in the environment of requirements.txt, after the fixtures are made. It checks nothing: differences between the libraries are facts.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from record import KINDS, Capture
from sentence_transformers_cases import Subject

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASES = [
    "pylate", "pylate-attended-two-dense", "pylate-no-expansion", "pylate-old", "stanford", "f16", "modernbert-pylate", "modernbert-stanford",
    "xlm-roberta-pylate", "xlm-roberta-stanford", "roberta-pylate", "roberta-stanford", "distilbert-pylate", "distilbert-stanford",
]  # fmt: skip


def differences(subject: Subject, capture: Capture, kind: str, entry: dict, expected: np.ndarray) -> list[str]:
    embeddings, mask = subject.encode(kind, entry["text"])
    got = {"ids": capture.ids, "attention_mask": capture.attention_mask, "embedding_mask": mask}
    found = [f"{name}: {entry[name]} -> {value}" for name, value in got.items() if value != entry[name]]
    if not found and expected.size and (worst := np.abs(embeddings - expected).max()) > 1e-5:
        found = [f"embeddings differ by {worst:.2g}"]
    return found


def compare(name: str) -> None:
    folder = FIXTURES / name
    subject = Subject(folder / "checkpoint")
    capture = Capture(subject.body)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    tensors = load_file(folder / "expected.safetensors")
    settings = {key: (value, subject.settings().get(key)) for key, value in expected["settings"].items()}
    print(f"# {name}", {key: pair for key, pair in settings.items() if pair[0] != pair[1]})
    for kind, plural in KINDS.items():
        same = 0
        for index, entry in enumerate(expected[plural]):
            found = differences(subject, capture, kind, entry, tensors[f"{kind}.{index}.embeddings"])
            same += not found
            for line in found:
                print(f"{kind} {index} {entry['text'][:60]!r} {line}")
        print(f"{kind}: {same} of {len(expected[plural])} the same")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    for case in sys.argv[1:] or CASES:
        compare(case)
