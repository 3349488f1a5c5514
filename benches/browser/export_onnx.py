"""Export a checkpoint to the ONNX folder that onnxruntime-web and transformers.js load.

    python export_onnx.py --model models/all-MiniLM-L6-v2 --out target/bench/onnx

writes OUT/<name of the model folder>/:

    config.json, tokenizer.json, tokenizer_config.json, special_tokens_map.json
    onnx/model.onnx                      fp32, as exported
    onnx/model_quantized.onnx            the same, int8 weights (quantize_dynamic)
    onnx/model_optimized.onnx            fp32, with whatever the optimizer of ONNX Runtime fuses, which is printed
    onnx/model_optimized_quantized.onnx  the fused graph, int8 weights

Inputs are input_ids, attention_mask and, of BERT, token_type_ids; the output is last_hidden_state, through the Dense modules that the
folder has. Batch and sequence are dynamic. Every graph runs once on a padded batch and is compared with PyTorch.
config.json is written last, so its presence says that the folder is complete.
"""

import argparse
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

INPUTS = {"bert": ["input_ids", "attention_mask", "token_type_ids"], "modernbert": ["input_ids", "attention_mask"]}
# What the optimizer must fuse in every layer; rotary positions keep it from fusing attention.
FUSED = {"bert": "Attention", "modernbert": "Gelu"}
OUTPUT = "last_hidden_state"
COPIED = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"]
CHECK_TEXTS = [
    "What caused the oil crisis of 1973?",
    "The embargo ended in March 1974. By then the price of a barrel had risen from 3 to nearly 12 dollars, "
    "and higher still in the United States.",
    "Ozone",
]
# Largest difference to PyTorch for fp32, smallest mean cosine for int8.
FP32_TOLERANCE = 1e-4
INT8_COSINE = 0.98


class Encoder(torch.nn.Module):
    """The model with positional inputs and one plain output, as the exporter wants it."""

    def __init__(self, folder: Path):
        super().__init__()
        # Eager attention exports to the pattern that the optimizer knows how to fuse; the fused attention of PyTorch does not.
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
        self.inputs = INPUTS[self.model.config.model_type]
        self.dense = torch.nn.Sequential(*dense(folder))

    def forward(self, *inputs):
        return self.dense(self.model(**dict(zip(self.inputs, inputs))).last_hidden_state)


def dense(folder: Path) -> list[torch.nn.Linear]:
    """The folder's Dense modules, which are plain products."""
    layers = []
    for path in sorted(folder.glob("*_Dense")):
        config = json.loads((path / "config.json").read_text("utf-8"))
        assert config["activation_function"].endswith(".Identity") and not config["bias"], f"{path} is no plain product"
        layer = torch.nn.Linear(config["in_features"], config["out_features"], bias=False)
        layer.weight.data = load_file(path / "model.safetensors")["linear.weight"]
        layers.append(layer)
    return layers


def check_batch(folder: Path, encoder: Encoder) -> dict[str, torch.Tensor]:
    batch = AutoTokenizer.from_pretrained(folder)(CHECK_TEXTS, padding=True, return_tensors="pt")
    return {name: batch[name] for name in encoder.inputs}


def export(encoder: Encoder, batch: dict[str, torch.Tensor], path: Path) -> None:
    # The TorchScript exporter: the optimizer does not recognise attention in the newer one's graphs.
    torch.onnx.export(
        encoder,
        tuple(batch.values()),
        path,
        dynamo=False,
        opset_version=17,
        input_names=encoder.inputs,
        output_names=[OUTPUT],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in [*encoder.inputs, OUTPUT]},
    )


def optimize(source: Path, target: Path, config) -> None:
    fused = optimizer.optimize_model(
        str(source),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
    )
    found = fused.get_fused_operator_statistics()
    print("fused:", ", ".join(f"{count} {name}" for name, count in found.items() if count))
    wanted = FUSED[config.model_type]
    if found[wanted] != config.num_hidden_layers:
        raise SystemExit(f"the optimizer fused {wanted} in {found[wanted]} of {config.num_hidden_layers} layers")
    fused.save_model_to_file(str(target))


def quantize(source: Path) -> Path:
    target = source.with_name(f"{source.stem}_quantized.onnx")
    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,
        # One scale per output channel: the mean cosine is 0.991, with one per tensor 0.966. In the
        # browser signed and unsigned, per channel and per tensor take the same time.
        per_channel=True,
        # Fused operators have no shape inference; every float in these graphs is f32.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    return target


def check(path: Path, batch: dict[str, torch.Tensor], expected: np.ndarray, int8: bool) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (actual,) = session.run([OUTPUT], {name: ids.numpy() for name, ids in batch.items()})
    real = batch["attention_mask"].numpy().astype(bool)
    a, e = actual[real], expected[real]
    difference = np.abs(a - e).max()
    cosine = (a * e).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(e, axis=-1))
    print(f"{path.name:32} {path.stat().st_size:>11,} bytes, against PyTorch: "
          f"difference {difference:.1e}, cosine mean {cosine.mean():.6f} worst {cosine.min():.6f}")
    if cosine.mean() < INT8_COSINE if int8 else difference > FP32_TOLERANCE:
        raise SystemExit(f"{path} does not compute what PyTorch computes")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder (model.safetensors, config.json, ...)")
    parser.add_argument("--out", type=Path, required=True, help="folder to put the exported model's folder into")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    # One line for each node that has no shape.
    logging.getLogger().setLevel(logging.ERROR)
    target = args.out / args.model.absolute().name
    shutil.rmtree(target, ignore_errors=True)
    (target / "onnx").mkdir(parents=True)

    encoder = Encoder(args.model)
    batch = check_batch(args.model, encoder)
    with torch.no_grad():
        expected = encoder(*batch.values()).numpy()
        plain = target / "onnx" / "model.onnx"
        export(encoder, batch, plain)
    optimized = target / "onnx" / "model_optimized.onnx"
    optimize(plain, optimized, encoder.model.config)

    for path in (plain, optimized):
        check(path, batch, expected, int8=False)
        check(quantize(path), batch, expected, int8=True)
    for name in COPIED:
        shutil.copy(args.model / name, target / name)


if __name__ == "__main__":
    main()
