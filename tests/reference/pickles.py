"""Fixtures' weights as PyTorch pickles them: what `tabrank convert` makes of them must be what it makes of the safetensors."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).parent.parent / "fixtures"
OUT = FIXTURES / "pickles"


def save(state, path: Path, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path, **how)


def stanford() -> None:
    """As old transformers saved a model: parameters, the positions' ids, and products that share a storage."""
    state = OrderedDict(load_file(FIXTURES / "stanford/checkpoint/model.safetensors"))
    for layer in range(8):
        names = [f"bert.encoder.layer.{layer}.attention.self.{part}.weight" for part in ("query", "key", "value")]
        if names[0] not in state:
            break
        rows = state[names[0]].shape[0]
        together = torch.cat([state[name] for name in names])
        for place, name in enumerate(names):
            state[name] = together[place * rows : (place + 1) * rows]
    state = OrderedDict((name, torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point())) for name, tensor in state.items())
    state["bert.embeddings.position_ids"] = torch.arange(64)[None]
    state._metadata = {"": {"version": 1}}
    save(state, OUT / "stanford/pytorch_model.bin")


def halves() -> None:
    """f16 in two files with an index, as large models are saved; bf16 in one."""
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in names:
        pickled = name.replace("model-", "pytorch_model-").replace(".safetensors", ".bin")
        save(load_file(FIXTURES / "f16/checkpoint" / name), OUT / "f16" / pickled)
    index = (FIXTURES / "f16/checkpoint/model.safetensors.index.json").read_text()
    index = index.replace('"model-', '"pytorch_model-').replace(".safetensors", ".bin")
    (OUT / "f16/pytorch_model.bin.index.json").write_text(index)
    save(load_file(FIXTURES / "f16/checkpoint/1_Dense/model.safetensors"), OUT / "f16/1_Dense/pytorch_model.bin")
    save(load_file(FIXTURES / "bf16/checkpoint/model.safetensors"), OUT / "bf16/pytorch_model.bin")


class Command:
    """A pickle that runs a command when it is loaded."""

    def __reduce__(self):
        return (__import__("os").system, ("false",))


def refused() -> None:
    """One reason each."""
    matrix = torch.arange(6.0).reshape(2, 3)
    save({"a": matrix.T}, OUT / "transposed.bin")
    save({"a": matrix}, OUT / "legacy.bin", _use_new_zipfile_serialization=False)
    save({"a": matrix, "step": 3}, OUT / "number.bin")
    save(torch.nn.Linear(2, 2), OUT / "module.bin")
    save({"a": torch.quantize_per_tensor(matrix, 0.1, 0, torch.qint8)}, OUT / "quantized.bin")
    stored = io.BytesIO()
    torch.save({"a": matrix}, stored)
    for name, method, change in [
        ("compressed.bin", zipfile.ZIP_DEFLATED, {}),
        ("command.bin", zipfile.ZIP_STORED, {"data.pkl": pickle.dumps({"a": Command()}, 2)}),
        ("big-endian.bin", zipfile.ZIP_STORED, {"byteorder": b"big"}),
    ]:
        with zipfile.ZipFile(stored) as source, zipfile.ZipFile(OUT / name, "w", method) as out:
            for entry in source.infolist():
                bytes_ = change.get(entry.filename.split("/", 1)[1], source.read(entry))
                out.writestr(zipfile.ZipInfo(entry.filename), bytes_, method)


if __name__ == "__main__":
    stanford()
    halves()
    refused()
