"""Makes the tiny ColModernVBERT of `tests/fixtures/visual/colmodernvbert/` in every layout it is published in, and what transformers computes
on it: tiles, ids, hidden states of both towers, embeddings, scores, and colpali-engine's similarity maps.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import ColModernVBertConfig, ColModernVBertForRetrieval, ModernVBertConfig, PreTrainedTokenizerFast, SiglipVisionConfig
from transformers.models.colmodernvbert.processing_colmodernvbert import ColModernVBertProcessor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

import bodies
from visual import (
    VISUAL, Capture, bytes_of, compact_file, digest, floats, kept, load_file, near, picture, save_renamed, save_tensors, seed_weights, start, texts, tower,
    write_json,
)  # fmt: skip

FOLDER = VISUAL / "colmodernvbert"
SIDES = 6
ADDED = [
    "<global-img>", *(f"<row_{row}_col_{column}>" for row in range(1, SIDES + 1) for column in range(1, SIDES + 1)),
    "<end_of_utterance>", "<fake_token_around_image>", "<image>",
]  # fmt: skip
TILE, PATCH, SHUFFLE, LONGEST, WIDTH = 32, 8, 2, 96, 16
QUERIES = [
    "What does the y axis show?",
    "",
    "the oil crisis of 1973, in one table <row_1_col_1> <end_of_utterance>",
    "Wie hoch war der Anteil?\n\nÉté 中国",
]
# Width, height, marked rectangle, whether it is split, whether its hidden states are kept.
PAGES = [
    (93, 62, (40, 20, 52, 30), True, True),
    (41, 67, (20, 48, 30, 60), True, False),
    (120, 30, (100, 4, 116, 20), True, False),
    (9, 150, None, True, False),
    (1, 1, None, True, False),
    (300, 2, None, True, False),
    (96, 96, (0, 0, 12, 12), True, False),
    (50, 70, (10, 10, 40, 40), False, True),
]


def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    bodies.save_tokenizer(folder, "modernbert", model_max_length=8192)
    bodies.add_tokens(folder, ADDED)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def image_processor(split: bool = True) -> Idefics3ImageProcessorPil:
    return Idefics3ImageProcessorPil(
        size={"longest_edge": LONGEST}, max_image_size={"longest_edge": TILE}, resample=1, do_image_splitting=split,
        image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
    )  # fmt: skip


def config(tokens: PreTrainedTokenizerFast) -> ColModernVBertConfig:
    """Every width is another, so that no two can be exchanged unseen."""
    ids = {f"{role}_token_id": tokens.convert_tokens_to_ids(token) for role, token in (("pad", "[PAD]"), ("bos", "[CLS]"), ("eos", "[SEP]"))}
    shape = {"hidden_size": 24, "intermediate_size": 20, "max_position_embeddings": 512}
    text = bodies.modernbert_config({"vocab_size": len(tokens), **ids}, **shape)
    vision = SiglipVisionConfig(
        image_size=TILE, patch_size=PATCH, hidden_size=32, intermediate_size=44, num_hidden_layers=3, num_attention_heads=2, vision_use_head=False,
    )  # fmt: skip
    image = tokens.convert_tokens_to_ids("<image>")
    vlm = ModernVBertConfig(text_config=text, vision_config=vision, image_token_id=image, pixel_shuffle_factor=SHUFFLE)
    return ColModernVBertConfig(vlm_config=vlm, embedding_dim=WIDTH, architectures=["ColModernVBertForRetrieval"])


def build(folder: Path) -> None:
    tokens = tokenizer(folder)
    processor = ColModernVBertProcessor(image_processor(), tokens, image_seq_len=(TILE // PATCH // SHUFFLE) ** 2)
    model = seed_weights(ColModernVBertForRetrieval(config(tokens)), 61)
    model.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    with tempfile.TemporaryDirectory() as saved:
        processor.save_pretrained(saved)
        shutil.copyfile(Path(saved) / "processor_config.json", folder / "processor_config.json")
    compact_file(folder / "tokenizer.json")


def load(folder: Path) -> tuple[ColModernVBertForRetrieval, ColModernVBertProcessor]:
    tokens = PreTrainedTokenizerFast.from_pretrained(folder)
    model = ColModernVBertForRetrieval.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    processor = ColModernVBertProcessor(Idefics3ImageProcessorPil.from_pretrained(folder), tokens, image_seq_len=(TILE // PATCH // SHUFFLE) ** 2)
    return model, processor


def modules(model: ColModernVBertForRetrieval) -> dict[str, torch.nn.Module]:
    vision, text = model.vlm.vision_model, model.vlm.text_model
    both = tower("vision", vision.embeddings, vision.encoder.layers, vision.post_layernorm)
    return both | {"features": model.vlm.connector} | tower("hidden", text.embeddings, text.layers, text.final_norm)


def states(capture: Capture) -> dict[str, torch.Tensor]:
    """Of the vision tower tile by tile, of the text tower of the one text."""
    return {name: value if name.startswith("vision") else value.flatten(0, -2) for name, value in capture.take().items()}


def query(model, processor, capture: Capture, text: str) -> tuple[dict, dict]:
    inputs = processor.process_queries(text)
    embeddings = model(**inputs).embeddings[0]
    return {"text": text} | texts(inputs), {"embeddings": embeddings} | states(capture)


def page(model, processor, capture: Capture, index: int) -> tuple[dict, dict]:
    width, height, mark, split, hidden = PAGES[index]
    image = picture(width, height, index, mark)
    inputs = processor.process_images(image, do_image_splitting=split)
    sizes = image_processor(split)(image, return_row_col_info=True)
    names = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
    embeddings = model(**{name: inputs[name] for name in names}).embeddings[0]
    tiles = bytes_of(inputs["pixel_values"][0]).transpose(0, 2, 3, 1)
    patches = (inputs["input_ids"][0] == processor.image_token_id).int().tolist()
    entry = {"size": [width, height], "split": split, "rows": sizes["rows"][0][0], "columns": sizes["cols"][0][0], "tiles": [digest(tile) for tile in tiles]}
    found = {"embeddings": embeddings, "tiles": np.ascontiguousarray(tiles)} | states(capture)
    return entry | texts(inputs) | {"patches": patches, "hidden": hidden}, {"pixels": np.asarray(image)} | kept(found, hidden)


def engine_processor(folder: Path):
    from colpali_engine.models.modernvbert.colmodernvbert import ColModernVBertProcessor as Engine

    tokens = PreTrainedTokenizerFast.from_pretrained(folder)
    return Engine(Idefics3ImageProcessorPil.from_pretrained(folder), tokens, image_seq_len=(TILE // PATCH // SHUFFLE) ** 2)


def maps(folder: Path, entries: list[dict], pages: list[torch.Tensor], queries: list[torch.Tensor]) -> list[dict]:
    """Of the first query over each page that is split: one map a query token, row by row of the page, without the tile of the whole page."""
    processor = engine_processor(folder)
    found = []
    for index, (entry, embeddings) in enumerate(zip(entries, pages)):
        if not entry["split"]:
            continue
        columns, rows = processor.get_n_patches(tuple(reversed(entry["size"])))
        grid = [entry["rows"] * TILE // PATCH // SHUFFLE, entry["columns"] * TILE // PATCH // SHUFFLE]
        if [rows, columns] != grid:
            print("the engine counts other patches", entry["size"], [rows, columns], grid)
        ids = torch.tensor([entry["ids"]])
        mask = processor.get_local_image_mask(type("Batch", (), {"input_ids": ids}))
        [by_column] = processor.get_similarity_maps_from_embeddings(embeddings[None], queries[0][None], (grid[1], grid[0]), mask)
        found.append({"page": index, "query": 0, "grid": grid, "maps": floats(by_column.transpose(1, 2).flatten(1))})
    return found


def older(folder: Path, weights: dict) -> None:
    """As its authors' own code saves it: the connector's matrix inside a module, the added tokens in a table of their own."""
    table = weights.pop("vlm.text_model.embeddings.tok_embeddings.weight")
    base = len(table) - len(ADDED)
    weights["vlm.text_model.embeddings.tok_embeddings.weight"] = table[:base]
    weights["vlm.text_model.embeddings.tok_embeddings.additional_embedding.weight"] = table[base:]
    weights["vlm.connector.modality_projection.proj.weight"] = weights.pop("vlm.connector.modality_projection.weight")
    save_renamed(folder, {engine_name(name): value for name, value in weights.items()}, older_config(base))


def engine_name(name: str) -> str:
    return name.replace("embedding_proj_layer", "custom_text_proj").replace("vlm.", "model.", 1)


def older_config(base: int) -> dict:
    """The fields of that code's classes; what the towers need beyond them it takes from models elsewhere, so here from `text_config`."""
    native = json.loads((FOLDER / "checkpoint" / "config.json").read_text("utf-8"))["vlm_config"]
    text, vision = native["text_config"], native["vision_config"]
    vision = {name: vision[name] for name in ("image_size", "patch_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")} | {
        "model_type": "modernvbert_vision", "embed_dim": vision["hidden_size"], "vision_model_name": "google/siglip2-base-patch16-512",
    }  # fmt: skip
    text = text | {"model_type": "modernvbert_text", "text_model_name": "jhu-clsp/ettin-encoder-150m", "vocab_size": base}
    return {
        "model_type": "modernvbert", "architectures": ["ColModernVBert"], "additional_vocab_size": len(ADDED), "vocab_size": base,
        "hidden_size": text["hidden_size"], "image_token_id": native["image_token_id"], "pixel_shuffle_factor": SHUFFLE, "scale_factor": SHUFFLE,
        "text_config": text, "vision_config": vision, "tie_word_embeddings": False, "torch_dtype": "float16",
    }  # fmt: skip


def engine(folder: Path, weights: dict) -> None:
    """As colpali-engine saves its class, whose config is that of the body."""
    native = json.loads((FOLDER / "checkpoint" / "config.json").read_text("utf-8"))["vlm_config"]
    save_renamed(folder, {engine_name(name): value for name, value in weights.items()}, native | {"architectures": ["ColModernVBert"], "dtype": "float16"})


def engine_embeddings(folder: Path, processor, text: str, image) -> list[torch.Tensor]:
    from colpali_engine.models.modernvbert.colmodernvbert import ColModernVBert

    body = ModernVBertConfig.from_pretrained(folder)
    model = ColModernVBert(body)
    model.custom_text_proj = torch.nn.Linear(body.text_config.hidden_size, WIDTH)
    missing = model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    assert not missing.missing_keys and not missing.unexpected_keys, missing
    inputs = [processor.process_queries([text]), processor.process_images([image])]
    return [model.eval()(**one)[0] for one in inputs]


def sentence_transformers(folder: Path) -> None:
    """What sentence-transformers writes for the native folder; of its files those that the native folder does not have.

    No values are asked of it: with the pinned versions its queries lack the augmentation, and its pages reach the model without ids.
    """
    from sentence_transformers import MultiVectorEncoder

    with tempfile.TemporaryDirectory() as saved:
        MultiVectorEncoder(str(FOLDER / "checkpoint"), device="cpu").save(saved)
        for path in sorted(Path(saved).rglob("*.json")):
            name = path.relative_to(saved)
            if not (FOLDER / "checkpoint" / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)


def main() -> None:
    reference = start()
    shutil.rmtree(FOLDER, ignore_errors=True)
    checkpoint = FOLDER / "checkpoint"
    build(checkpoint)
    model, processor = load(checkpoint)
    capture = Capture(modules(model))
    queries = [query(model, processor, capture, text) for text in QUERIES]
    pages = [page(model, processor, capture, index) for index in range(len(PAGES))]
    vectors = [[tensors["embeddings"] for _, tensors in part] for part in (queries, pages)]
    entries = [entry for entry, _ in pages]
    expected = {
        "reference": reference,
        "settings": {"tile": TILE, "patch": PATCH, "shuffle": SHUFFLE, "longest_edge": LONGEST, "dimension": WIDTH, "image_token_id": processor.image_token_id},
        "queries": [entry for entry, _ in queries],
        "pages": entries,
        "scores": floats(processor.score_retrieval(*vectors)),
        "maps": maps(checkpoint, entries, vectors[1], vectors[0]),
    }
    write_json(FOLDER / "expected.json", expected)
    named = {f"query.{index}.{name}": value for index, (_, tensors) in enumerate(queries) for name, value in tensors.items()}
    named |= {f"page.{index}.{name}": value for index, (_, tensors) in enumerate(pages) for name, value in tensors.items()}
    save_tensors(FOLDER / "expected.safetensors", named)
    weights = load_file(checkpoint / "model.safetensors")
    older(FOLDER / "older", dict(weights))
    engine(FOLDER / "engine", weights)
    sentence_transformers(FOLDER / "sentence-transformers")
    found = engine_embeddings(FOLDER / "engine", engine_processor(checkpoint), QUERIES[0], picture(*PAGES[0][:2], 0, PAGES[0][2]))
    near("query", vectors[0][0], found[0])
    near("page", vectors[1][0], found[1])



if __name__ == "__main__":
    main()
