"""Write checkpoints of the real shapes with random weights: times do not depend on values.

    python random_checkpoint.py --tokenizer models/all-MiniLM-L6-v2 --out target/bench/models

PyLate's layout without markers, expansion and skiplist, so that every token of a text gives a vector, as it does with the peers. The
tokenizer is another model's with a smaller vocabulary; the rows behind it are there and are never looked up.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ModernBertConfig, ModernBertModel

FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
# Ettin's bodies turn local layers by the base of the global ones.
SHAPES = {
    "mxbai-edge-17m": {
        "hidden_size": 256, "num_hidden_layers": 7, "num_attention_heads": 4, "intermediate_size": 384, "vocab_size": 50_370,
        "local_rope_theta": 160_000.0, "dense": [512, 48],
    },
    "gte-modernbert": {
        "hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12, "intermediate_size": 1152, "vocab_size": 50_370,
        "dense": [128],
    },
    "tiny-modernbert": {
        "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 192, "vocab_size": 30_522,
        "dense": [64],
    },
}  # fmt: skip
SETTINGS = {
    "model_type": "ColBERT",
    "query_prefix": "",
    "document_prefix": "",
    "query_length": 48,
    "document_length": 2048,
    "do_query_expansion": False,
    "attend_to_expansion_tokens": False,
    "skiplist_words": [],
}
# Of BERT's vocabulary.
TOKENS = {"pad_token_id": 0, "cls_token_id": 101, "bos_token_id": 101, "sep_token_id": 102, "eos_token_id": 102}


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2), "utf-8")


def write_dense(folder: Path, inputs: int, outputs: int) -> None:
    folder.mkdir()
    save_file({"linear.weight": torch.randn(outputs, inputs) / inputs**0.5}, folder / "model.safetensors")
    identity = "torch.nn.modules.linear.Identity"
    write_json(folder / "config.json", {
        "in_features": inputs, "out_features": outputs, "bias": False, "activation_function": identity, "use_residual": False,
    })  # fmt: skip


def write(folder: Path, tokenizer: Path, dense: list[int], **shape) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ModernBertModel(ModernBertConfig(**TOKENS, **shape)).save_pretrained(folder)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for index, (inputs, outputs) in enumerate(zip([shape["hidden_size"], *dense], dense), 1):
        write_dense(folder / f"{index}_Dense", inputs, outputs)
        modules.append({"idx": index, "name": str(index), "path": f"{index}_Dense", "type": "pylate.models.Dense.Dense"})
    write_json(folder / "modules.json", modules)
    write_json(folder / "config_sentence_transformers.json", SETTINGS)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": SETTINGS["document_length"], "do_lower_case": False})
    for name in FILES:
        shutil.copy(tokenizer / name, folder / name)
    config = json.loads((tokenizer / "tokenizer_config.json").read_text("utf-8"))
    config |= {"model_max_length": SETTINGS["document_length"], "model_input_names": ["input_ids", "attention_mask"]}
    write_json(folder / "tokenizer_config.json", config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder whose tokenizer files are copied")
    parser.add_argument("--out", type=Path, required=True, help="folder to put the checkpoints' folders into")
    args = parser.parse_args()
    torch.manual_seed(0)
    for name, shape in SHAPES.items():
        write(args.out / name, args.tokenizer, **shape)


if __name__ == "__main__":
    main()
