"""Writes what PyTorch gives for long documents that are encoded in windows: `tests/fixtures/windows/`.

The library encodes each window of a PyLate checkpoint as if it were all there is; what is united of them is the rule by the letter,
token by token.
"""

import numpy as np
import torch

import record
from make_fixtures import FIXTURES, pinned_versions
from pylate_cases import Subject

QUERY = "the price of oil in 1973"
TEXT = (
    "The oil crisis began in October 1973, when the members of OAPEC proclaimed an embargo; it was over in March 1974. 👩‍🔬 "
    "  The price of oil had then risen from $3 to nearly $12 (globally) — US prices were significantly higher. "
    "中国北京 and 東京 were hit as well: “a shock”, said the papers… The effects on global politics and the economy were many."
)
# Overlap, and most windows.
CASES = [(None, 16), (0, 16), (1, 16), (5, 4), (8, 16)]


def window_vectors(subject: Subject, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Last hidden states and embeddings of one window, computed alone."""
    rows = torch.tensor([ids])
    features = {"input_ids": rows, "attention_mask": torch.ones_like(rows), "token_type_ids": torch.zeros_like(rows)}
    hidden = subject.bert(**features).last_hidden_state[0]
    embeddings = subject.model({**features})["token_embeddings"][0]
    return hidden, torch.nn.functional.normalize(embeddings, dim=-1)


def united(subject: Subject, overlap: int | None, most: int) -> tuple[dict, dict]:
    """Each token's vectors from the window where the nearer end is farthest; ties to the first."""
    tokenizer, marker = subject.tokenizer, subject.inserted_marker("document")
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    whole = tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = whole["input_ids"], whole["offset_mapping"]
    room = subject.model.document_length - len([cls, marker, sep])
    stride = room - (room // 8 if overlap is None else overlap)

    starts = [start for start in range(0, len(ids), stride) if start == 0 or start + room - stride < len(ids)]
    truncated = len(starts) > most
    windows = [range(start, min(start + room, len(ids))) for start in starts[:most]]
    vectors = [window_vectors(subject, [cls, marker, *(ids[token] for token in window), sep]) for window in windows]

    chosen = [(0, 0), (0, 1)]
    for token in range(windows[-1].stop):
        holders = [(index, window.index(token), len(window)) for index, window in enumerate(windows) if token in window]
        index, place, _ = max(holders, key=lambda holder: (min(holder[1], holder[2] - 1 - holder[1]), -holder[0]))
        chosen.append((index, place + 2))
    chosen.append((len(windows) - 1, len(windows[-1]) + 2))

    ids = [cls, marker, *ids[: windows[-1].stop], sep]
    offsets = [(0, 0), (0, 0), *offsets[: windows[-1].stop], (0, 0)]
    kept = [token_id not in subject.model.skiplist for token_id in ids]
    hidden = torch.stack([vectors[index][0][place] for index, place in chosen])
    embeddings = torch.stack([vectors[index][1][place] for index, place in chosen])[kept].numpy()
    query, _ = subject.encode("query", QUERY)
    case = {
        "overlap": overlap,
        "most": most,
        "ids": ids,
        "offsets": [list(span) for span in offsets],
        "kept": [int(flag) for flag in kept],
        "truncated": truncated,
        "score": subject.score(query, embeddings),
    }
    mean = torch.nn.functional.normalize(hidden.mean(0), dim=-1)
    return case, {"embeddings": embeddings, "pooled": mean.numpy()}


def main() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    subject = Subject(FIXTURES / "pylate" / "checkpoint")
    expected = {"reference": pinned_versions("requirements-pylate.txt"), "query": QUERY, "document": TEXT}
    cases, tensors = [], {}
    for index, case in enumerate(CASES):
        entry, values = united(subject, *case)
        cases.append(entry)
        tensors |= {f"{index}.{name}": np.ascontiguousarray(value, dtype=np.float32) for name, value in values.items()}
    folder = FIXTURES / "windows"
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder, expected | {"cases": cases}, tensors)


if __name__ == "__main__":
    main()
