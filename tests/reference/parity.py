"""Writes what sentence-transformers 6 computes on a checkpoint folder with real weights, for `make parity` to compare.

    python parity.py models/GTE-ModernColBERT-v1 target/parity

The name of the folder says whether scores of that model are published: the last path of its address at the model hub.
"""

import json
import sys
from pathlib import Path

import torch

import record
from jina import JinaSubject
from make_fixtures import pinned_versions
from sentence_transformers_cases import PlainSubject, Subject

# The first query and the first four documents are those of tests/multi_vector_encoder/test_pretrained.py in sentence-transformers.
TEXTS = {
    "query": [
        "Which planet is known as the Red Planet?",
        "capital of France",
        "how do i get a refund, and within how many days?",
        "Wie spät ist es in 東京? Сколько времени в Токио?",
    ],
    "document": [
        "Venus is often called Earth's twin because of its similar size and proximity.",
        "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
        "Jupiter, the largest planet in our solar system, has a prominent red spot.",
        "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
        "東京 is nine hours ahead of UTC; العربية, हिन्दी and 한국어 are written in other scripts. 🙂",
        "for (let i = 0; i < items.length; i++) {\n\ttotal += items[i].price * 1.19;\n}",
        "Refunds are issued within 14 days of purchase. " * 60,
    ],
}
HIDDEN = [0, 1, 6]
# The scores of that file, by the folder's name; made with PyLate in float32, to be met within a thousandth.
PUBLISHED = {
    "colbertv2.0": [12.79703, 27.19449, 23.8495, 24.56564],
    "answerai-colbert-small-v1": [30.56916, 31.48954, 31.30291, 31.30716],
    "GTE-ModernColBERT-v1": [11.25772, 11.51133, 11.34575, 11.4518],
    "LateOn": [10.79417, 11.11042, 10.97427, 11.08107],
    "mLateOn": [11.3486, 11.517, 11.4391, 11.4867],
    "mxbai-edge-colbert-v0-17m": [11.56932, 11.75844, 11.70989, 11.72288],
    "Reason-ModernColBERT": [9.05118, 10.18419, 9.12381, 9.39101],
}


def subject(folder: Path) -> Subject:
    """As late interaction: with the folder's own head, else over the last hidden states of all tokens."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.get("model_type") == "xlm-roberta" and config.get("position_embedding_type") == "rotary":
        return JinaSubject(folder)
    modules = folder / "modules.json"
    types = [module["type"] for module in json.loads(modules.read_text("utf-8"))] if modules.exists() else []
    has_head = "HF_ColBERT" in (config.get("architectures") or []) or any(type.endswith(".Dense") for type in types)
    return (Subject if has_head else PlainSubject)(folder)


def main() -> None:
    folder, out = Path(sys.argv[1]).absolute(), Path(sys.argv[2])
    torch.set_grad_enabled(False)
    expected, tensors = record.record(subject(folder), TEXTS, HIDDEN)
    out.mkdir(parents=True, exist_ok=True)
    reference = {"reference": pinned_versions("requirements.txt"), "published": PUBLISHED.get(folder.name)}
    record.write(out, reference | expected, tensors)


if __name__ == "__main__":
    main()
