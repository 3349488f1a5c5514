"""What the scripts of models that see pages share: pictures, seeded weights, hidden states of every layer, files.

The weights are numbers that half precision holds, so that a folder in f16 is the same model as its neighbour in f32.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

# One thread: the order of sums, and so every bit of the output, is the same on each run.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from make_fixtures import FIXTURES, pinned_versions
from record import compact, float32

VISUAL = FIXTURES / "visual"


def start() -> dict:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return pinned_versions("requirements-visual.txt") | pinned_versions("requirements-pages.txt")


def picture(width: int, height: int, seed: int, mark: tuple[int, int, int, int] | None = None) -> Image.Image:
    """A gradient under noise, in steps of a few pixels as print has them, with a red rectangle where `mark` says."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack([columns * 255 // max(width - 1, 1), rows * 255 // max(height - 1, 1), (rows + columns) * 7 % 256], axis=-1)
    blocks = generator.integers(-90, 90, size=(height // 3 + 1, width // 3 + 1, 3)).repeat(3, 0).repeat(3, 1)[:height, :width]
    image = Image.fromarray(np.clip(base + blocks, 0, 255).astype(np.uint8), "RGB")
    if mark:
        ImageDraw.Draw(image).rectangle(mark, fill=(230, 20, 30))
    return image


def seed_weights(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Attention far from uniform: at the 0.02 of an untrained model a wrong mask or position hides in the rounding."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        value = 0.3 * noise if parameter.dim() > 1 else parameter.data + 0.1 * noise
        parameter.data.copy_(value.half().float())
    return model.eval()


class Capture:
    """What the named modules gave in the last run; the first output where there are several."""

    def __init__(self, modules: dict[str, torch.nn.Module]) -> None:
        self.outputs = {}
        for name, module in modules.items():
            module.register_forward_hook(self.hook(name))

    def hook(self, name: str):
        def store(_module, _args, output) -> None:
            self.outputs[name] = (output[0] if isinstance(output, tuple) else output).detach().clone()

        return store

    def input_of(self, name: str, layer: torch.nn.Module) -> None:
        """What enters a layer: of towers that make their first states outside of a module."""

        def store(_module, args, options) -> None:
            self.outputs[name] = (args[0] if args else options["hidden_states"]).detach().clone()

        layer.register_forward_pre_hook(store, with_kwargs=True)

    def take(self) -> dict[str, torch.Tensor]:
        outputs, self.outputs = self.outputs, {}
        return outputs


def tower(prefix: str, first: torch.nn.Module, layers, last: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """`{prefix}.0` behind the embeddings, one for each layer as the layer gives it, and `{prefix}.norm` behind the norm at the end."""
    named = {f"{prefix}.0": first} if first is not None else {}
    return named | {f"{prefix}.{index + 1}": layer for index, layer in enumerate(layers)} | {f"{prefix}.norm": last}


def texts(inputs: dict) -> dict:
    return {"ids": inputs["input_ids"][0].tolist(), "attention_mask": inputs["attention_mask"][0].tolist()}


def kept(tensors: dict, hidden: bool) -> dict:
    """Of a text whose hidden states are not kept the embeddings alone."""
    return tensors if hidden else {"embeddings": tensors["embeddings"]}


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def bytes_of(pixels: torch.Tensor, mean: float = 0.5, std: float = 0.5) -> np.ndarray:
    """The 8-bit values that normalised pixels were made of; every one must be one."""
    values = (pixels.numpy().astype(np.float64) * std + mean) * 255
    rounded = np.rint(values)
    assert np.abs(values - rounded).max() < 1e-3
    return rounded.astype(np.uint8)


def floats(tensor) -> list:
    return [[float32(value) for value in row] for row in tensor.tolist()]


def write_json(path: Path, value: dict) -> None:
    """An entry of a list a line, unless the entries are plain values."""
    lines = []
    for key, part in value.items():
        rows = isinstance(part, list) and any(isinstance(row, (dict, list)) for row in part)
        body = "[\n" + ",\n".join(map(compact, part)) + "\n]" if rows else compact(part)
        lines.append(f"{compact(key)}: {body}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def save_tensors(path: Path, tensors: dict) -> None:
    tensors = {name: torch.as_tensor(np.array(value) if isinstance(value, np.ndarray) else value) for name, value in tensors.items()}
    save_file({name: tensors[name].contiguous() for name in sorted(tensors)}, path)


def compact_file(path: Path) -> None:
    path.write_text(compact(json.loads(path.read_text("utf-8"))), "utf-8")


def save_renamed(folder: Path, weights: dict, config: dict | None = None) -> None:
    """The same weights under other names, in half precision; `config` where it differs."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def near(name: str, ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    assert (ours - theirs).abs().max() < 1e-5, (name, (ours - theirs).abs().max())


def save_adapter(folder: Path, adapter, base: str, rename, seed: int) -> None:
    """Gives the adapter weights and writes it as peft does, its tensors renamed."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(adapter.named_parameters()):
        if "lora_" in name:
            parameter.data.copy_((0.3 * torch.randn(parameter.shape, generator=generator)).half().float())
    adapter.peft_config["default"].base_model_name_or_path = base
    with tempfile.TemporaryDirectory() as saved:
        adapter.save_pretrained(saved)
        weights = load_file(Path(saved) / "adapter_model.safetensors")
        folder.mkdir(parents=True, exist_ok=True)
        save_file({rename(name): value.half().contiguous() for name, value in weights.items()}, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        shutil.copyfile(Path(saved) / "adapter_config.json", folder / "adapter_config.json")


class Case:
    """What is written at the end."""

    def __init__(self, reference: dict, settings: dict) -> None:
        self.expected = {"reference": reference, "settings": settings}
        self.tensors, self.vectors = {}, {}

    def add(self, kind: str, key: str, entry: dict, found: dict) -> None:
        entries = self.expected.setdefault(key, [])
        self.tensors |= {f"{kind}.{len(entries)}.{name}": value for name, value in found.items()}
        self.vectors.setdefault(kind, []).append(found["embeddings"])
        entries.append(entry)
