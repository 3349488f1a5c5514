"""Writes what transformers and torch.nn compute for each activation function that has no weights of its own.

As in `quantize.py`, a fixture of one operation alone: `expected.json` holds the arguments and, for each name of `ACT2FN` and each class
that a Dense module may name, the values in float64.
"""

import json
from pathlib import Path

import torch
from torch import nn
from transformers.activations import ACT2FN

FIXTURE = Path(__file__).parent.parent / "fixtures" / "activations" / "expected.json"
ARGUMENTS = [-30.0, -9.5, -6.0, -3.5, -3.0, -1.75, -1.0, -0.5, -0.125, 0.0, 0.125, 0.5, 1.0, 2.0, 3.0, 5.5, 6.5, 11.0, 30.0]
CLASSES = ["Identity", "GELU", "ReLU", "ReLU6", "LeakyReLU", "SiLU", "Hardswish", "Mish", "Tanh", "Sigmoid"]


def values(function: nn.Module) -> list[float]:
    return function(torch.tensor(ARGUMENTS, dtype=torch.float64)).tolist()


def main() -> None:
    names = {name: ACT2FN[name] for name in ACT2FN}
    named = {name: values(function) for name, function in names.items() if not list(function.parameters())}
    modules = [getattr(nn, name) for name in CLASSES]
    classes = {f"{module.__module__}.{module.__name__}": values(module()) for module in modules}
    rows = {"arguments": ARGUMENTS} | named | classes
    lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
