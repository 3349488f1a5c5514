"""Writes what transformers' ModernBERT makes of texts of 4,096 and 8,192 tokens: `tests/fixtures/long-texts/`.

The checkpoint is that of the case `modernbert-wide` with other settings in `config.json`: as many positions, a window as wide as that of
the real ones, and its layer of either kind. All in double precision: the class rounds the angles of its rotary positions to single
precision, which is a thousandth of a hidden state at these places.
"""

import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from make_fixtures import FIXTURES, HERE, pinned_versions
from transformers import AutoModel, AutoTokenizer

import record

CONFIG = {"max_position_embeddings": 8192, "local_attention": 128}
FULL, SLIDING = "full_attention", "sliding_attention"
CASES = [(4096, FULL), (8192, FULL), (8192, SLIDING)]
# Paragraphs of the corpus, with spaces between.
PARAGRAPHS = 40
# At the ends, about the edge of the first window, and in between; from the end where they are negative.
ROWS = [0, 1, 63, 64, 65, 1023, 1024, 2047, -1500, -66, -65, -64, -2, -1]


def text() -> str:
    lines = (HERE.parent / "data" / "squad-dev-a" / "corpus.jsonl").read_text("utf-8").splitlines()
    return " ".join(json.loads(line)["text"] for line in lines[:PARAGRAPHS])


def edit(folder: Path, config: dict) -> None:
    shutil.copytree(FIXTURES / "modernbert-wide" / "checkpoint", folder, dirs_exist_ok=True)
    own = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(own | config), "utf-8")


def exact_rotation(config, _x, position_ids, layer_type: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines by the class's own formula."""
    width = config.hidden_size // config.num_attention_heads
    exponents = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = position_ids[..., None].double() * config.rope_parameters[layer_type]["rope_theta"] ** -exponents
    both = torch.cat([angles, angles], dim=-1)
    return both.cos(), both.sin()


def states(folder: Path, length: int) -> tuple[list[int], list[torch.Tensor]]:
    prompts = json.loads((folder / "config_sentence_transformers.json").read_text("utf-8"))["prompts"]
    prompt = prompts.get("document", "")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt + text(), truncation=True, max_length=length)["input_ids"]
    assert len(ids) == length
    model = AutoModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="sdpa").eval()
    model.rotary_emb.forward = partial(exact_rotation, model.config)
    output = model(torch.tensor([ids]), output_hidden_states=True)
    # The last of them as it leaves the body.
    return ids, [*(state[0] for state in output.hidden_states[:-1]), output.last_hidden_state[0]]


def main() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    cases, tensors = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        for index, (length, kind) in enumerate(CASES):
            config = CONFIG | {"layer_types": [kind]}
            edit(Path(temporary), config)
            ids, hidden = states(Path(temporary), length)
            cases.append({"length": length, "config": config, "first_ids": ids[:8], "last_ids": ids[-8:], "id_sum": sum(ids)})
            for layer, state in enumerate(hidden):
                name = f"{index}.{layer}"
                tensors[f"{name}.rows"] = np.ascontiguousarray(state[ROWS].float().numpy())
                tensors[f"{name}.mean"] = state.mean(0).float().numpy()
    folder = FIXTURES / "long-texts"
    folder.mkdir(parents=True, exist_ok=True)
    reference = {"reference": pinned_versions("requirements.txt")}
    record.write(folder, reference | {"paragraphs": PARAGRAPHS, "rows": ROWS, "cases": cases}, tensors)


if __name__ == "__main__":
    main()
