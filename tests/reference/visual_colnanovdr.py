"""Makes the tiny ColNanoVDR query tower of `tests/fixtures/visual/colnanovdr/`, and what sentence-transformers computes with it against made pages."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from transformers import AutoModel

import bodies
from colnanovdr_weighting import ColNanoVDRWeighting
from visual import VISUAL, Capture, compact_file, floats, save_tensors, seed_weights, start, tower, write_json

FOLDER = VISUAL / "colnanovdr"
WIDTH, LENGTH = 20, 24
QUERIES = [
    "What does the y axis show?",
    "",
    "oil [SEP] crisis [PAD]",
    "Wie hoch war der Anteil der Wasserkraft im Jahr 1973, und welche Tabelle zeigt das am besten? Été 中国",
    "oil",
]
PAGES = [1, 7, 20]


def build(folder: Path) -> None:
    """As NanoVDR's packaging writes it, but for the file of code."""
    with tempfile.TemporaryDirectory() as saved:
        body = Path(saved) / "body"
        bodies.modernbert(body, hidden_size=24, intermediate_size=20)
        seed_weights(AutoModel.from_pretrained(body), 91).save_pretrained(body)
        transformer = Transformer(str(body), max_seq_length=LENGTH)
        tokens = transformer.tokenizer
        dense = Dense(24, WIDTH, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings", module_output_name="mv_embeddings")
        normalize = Normalize(module_input_name="mv_embeddings", module_output_name="mv_embeddings")
        special = sorted({tokens.cls_token_id, tokens.sep_token_id, tokens.pad_token_id})
        weighting = ColNanoVDRWeighting(24, special_token_ids=special)
        seed_weights(dense, 92)
        seed_weights(weighting, 93)
        model = MultiVectorEncoder(modules=[transformer, dense, normalize, weighting], similarity_fn_name="meanmaxsim", device="cpu")
        model.save(str(Path(saved) / "model"))
        shutil.copytree(Path(saved) / "model", folder, ignore=shutil.ignore_patterns("*.md"))
    compact_file(folder / "tokenizer.json")


def pages() -> list[torch.Tensor]:
    generator = np.random.default_rng(5)
    rows = [generator.normal(size=(count, WIDTH)) for count in PAGES]
    return [torch.tensor(page / np.linalg.norm(page, axis=1, keepdims=True), dtype=torch.float32) for page in rows]


def encode(model: MultiVectorEncoder, capture: Capture, text: str) -> tuple[dict, dict]:
    seen = {}
    weighting = model[-1]
    original = weighting.forward

    def watch(features, **options):
        seen.update(ids=features["input_ids"][0], factors=weighting.factors(features)[0], counted=weighting.counted(features)[0])
        return original(features, **options)

    weighting.forward = watch
    embeddings = torch.as_tensor(model.encode_query(text))
    weighting.forward = original
    states = {name: value[0] for name, value in capture.take().items()}
    entry = {"text": text, "ids": seen["ids"].tolist(), "embedding_mask": seen["counted"].int().tolist()}
    # Of a query without a token that counts the head still gives factors, of rows that nobody takes.
    return entry, {"embeddings": embeddings, "factors": seen["factors"][seen["counted"]]} | states


def main() -> None:
    reference = start()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    build(FOLDER / "checkpoint")
    model = MultiVectorEncoder(str(FOLDER / "checkpoint"), device="cpu", trust_remote_code=True)
    kinds = [module["type"] for module in json.loads((FOLDER / "checkpoint" / "modules.json").read_text("utf-8"))]
    body = model[0].model
    capture = Capture(tower("hidden", body.embeddings, body.layers, body.final_norm))
    queries = [encode(model, capture, text) for text in QUERIES]
    tensors = {f"query.{index}.{name}": value for index, (_, found) in enumerate(queries) for name, value in found.items()}
    tensors |= {f"page.{index}": page for index, page in enumerate(pages())}
    vectors = [found["embeddings"] for _, found in queries]
    kept = [index for index, rows in enumerate(vectors) if len(rows)]
    scores = model.similarity([vectors[index] for index in kept], pages())
    by_query = dict(zip(kept, floats(scores)))
    expected = {
        "reference": reference, "modules": kinds, "similarity": model.similarity_fn_name, "dimension": WIDTH,
        "queries": [entry for entry, _ in queries], "scores": [by_query.get(index) for index in range(len(vectors))],
    }  # fmt: skip
    write_json(FOLDER / "expected.json", expected)
    save_tensors(FOLDER / "expected.safetensors", tensors)


if __name__ == "__main__":
    main()
