"""Export the two halves of a ColModernVBERT to ONNX, for onnxruntime-web: what the vision tower and the connector make of tiles, and what the text tower and
the head make of a prompt with these features in their places.

    python export_page_onnx.py --model target/bench/page-models/colmodernvbert --out target/bench/onnx

writes OUT/<name of the model folder>/{vision,text}.onnx in fp32 with whatever the optimizer of ONNX Runtime fuses, which is printed, and
{vision,text}_quantized.onnx, the same with int8 weights, as export_onnx.py has them. Each graph runs once and is compared with PyTorch.
`page.json` is copied last, so its presence says that the folder is complete.
"""

import argparse
import json
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import AttentionInterface, ColModernVBertForRetrieval

# Largest difference to PyTorch for fp32, smallest mean cosine for int8.
FP32_TOLERANCE = 1e-3
INT8_COSINE = 0.95
PAGE_FILES = ["page.bin", "tiles.bin", "page.json"]
# What quantize_dynamic knows but convolutions, of which there is one: a product of patches that the browser's int8 has no fast kernel for.
QUANTIZED = ["Attention", "EmbedLayerNormalization", "Gather", "MatMul"]


class Fused(torch.autograd.Function):
    """Attention as one node of ONNX Runtime's own; its optimizer does not find that of a tower without a mask."""

    @staticmethod
    def forward(_context, query, key, value, heads):
        query, key, value = (states.unflatten(-1, (heads, -1)).transpose(1, 2) for states in (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph, query, key, value, heads):
        return graph.op("com.microsoft::MultiHeadAttention", query, key, value, num_heads_i=heads).setType(query.type())


def fused_attention(module, query, key, value, _mask, **_options):
    states = [each.transpose(1, 2).flatten(2) for each in (query, key, value)]
    return Fused.apply(*states, module.num_heads), None


AttentionInterface.register("fused", fused_attention)


class Vision(torch.nn.Module):
    """`[tiles, 3, 512, 512]` → `[64 · tiles, hidden]`."""

    inputs, output, dynamic = ["pixel_values"], "features", {"pixel_values": {0: "tiles"}}

    def __init__(self, model: ColModernVBertForRetrieval):
        super().__init__()
        self.tower, self.connector = model.vlm.vision_model, model.vlm.connector

    def forward(self, pixel_values):
        return self.connector(self.tower(pixel_values).last_hidden_state).flatten(0, 1)


class Text(torch.nn.Module):
    """The prompt's ids, the features and their places → the page's embeddings before they are normalised."""

    inputs, output = ["input_ids", "features", "places"], "embeddings"
    dynamic = {"input_ids": {1: "tokens"}, "features": {0: "patches"}, "places": {0: "patches"}}

    def __init__(self, model: ColModernVBertForRetrieval):
        super().__init__()
        self.tower, self.head = model.vlm.text_model, model.embedding_proj_layer

    def forward(self, input_ids, features, places):
        embeddings = self.tower.get_input_embeddings()(input_ids)
        index = places[None, :, None].expand(1, -1, embeddings.shape[-1])
        embeddings = embeddings.scatter(1, index, features[None])
        return self.head(self.tower(inputs_embeds=embeddings, attention_mask=torch.ones_like(input_ids)).last_hidden_state)


def export(half: torch.nn.Module, inputs: tuple, target: Path, **fusion) -> None:
    """The TorchScript exporter: the optimizer does not recognise attention in the newer one's graphs."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(half, inputs, plain, dynamo=False, opset_version=17, input_names=half.inputs, output_names=[half.output],
                          dynamic_axes=half.dynamic, custom_opsets={"com.microsoft": 1})  # fmt: skip
        fused = optimizer.optimize_model(str(plain), opt_level=0, **fusion)
        print("fused:", ", ".join(f"{count} {name}" for name, count in fused.get_fused_operator_statistics().items() if count))
        fused.save_model_to_file(str(target))


def quantize(source: Path) -> Path:
    target = source.with_name(f"{source.stem}_quantized.onnx")
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=QUANTIZED, extra_options=options)
    return target


def check(path: Path, half: torch.nn.Module, inputs: tuple, expected: np.ndarray, int8: bool) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (actual,) = session.run([half.output], {name: value.numpy() for name, value in zip(half.inputs, inputs)})
    a, e = actual.reshape(-1, actual.shape[-1]), expected.reshape(-1, expected.shape[-1])
    cosine = (a * e).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(e, axis=-1))
    difference = np.abs(a - e).max()
    print(f"{path.name:24} {path.stat().st_size:>11,} bytes, against PyTorch: difference {difference:.1e}, cosine mean {cosine.mean():.6f} worst {cosine.min():.6f}")
    if cosine.mean() < INT8_COSINE if int8 else difference > FP32_TOLERANCE:
        raise SystemExit(f"{path} does not compute what PyTorch computes")


def tiles(model: Path, about: dict) -> torch.Tensor:
    """The last one, which is the whole page."""
    values = np.fromfile(model / "tiles.bin", np.uint8).reshape(about["tiles"])[-1:]
    return torch.tensor((values.astype(np.float32) / 255 - 0.5) / 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder by random_page_checkpoint.py")
    parser.add_argument("--out", type=Path, required=True, help="folder to put the exported model's folder into")
    args = parser.parse_args()
    # One line for each node that has no shape.
    logging.getLogger().setLevel(logging.ERROR)
    target = args.out / args.model.absolute().name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)

    about = json.loads((args.model / "page.json").read_text("utf-8"))
    model = ColModernVBertForRetrieval.from_pretrained(args.model, attn_implementation="eager", dtype=torch.float32).eval()
    model.vlm.vision_model.set_attn_implementation("fused")
    vision, text = model.config.vlm_config.vision_config, model.config.vlm_config.text_config
    with torch.no_grad():
        pixels = tiles(args.model, about)
        features = Vision(model)(pixels).repeat(about["tiles"][0], 1)
        prompt = (torch.tensor([about["ids"]]), features, torch.tensor(about["places"]))
        halves = [
            ("vision", Vision(model), (pixels,), {"model_type": "vit", "num_heads": vision.num_attention_heads, "hidden_size": vision.hidden_size}),
            ("text", Text(model), prompt, {"model_type": "bert", "num_heads": text.num_attention_heads, "hidden_size": text.hidden_size}),
        ]
        for name, half, inputs, fusion in halves:
            expected = half(*inputs).numpy()
            path = target / f"{name}.onnx"
            export(half, inputs, path, **fusion)
            check(path, half, inputs, expected, int8=False)
            check(quantize(path), half, inputs, expected, int8=True)
    for name in PAGE_FILES:
        shutil.copy(args.model / name, target / name)


if __name__ == "__main__":
    main()
