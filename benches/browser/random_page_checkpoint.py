"""Write a checkpoint of ColModernVBERT's real shape with random weights, and a page for it: times do not depend on values.

    python random_page_checkpoint.py --tokenizer models/all-MiniLM-L6-v2 --out target/bench/page-models

Of what is written beside the checkpoint's own files the bench reads `page.bin`, RGB bytes of a drawn page, and `page.json`: its size, what its
longest edge becomes, the prompt's ids and the place of each image token; `tiles.bin` holds what transformers' processor makes of the page, for peers,
who are given their tiles. The tokenizer is another model's with a smaller vocabulary; the rows behind it are there and are never looked up.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer
from transformers import ColModernVBertConfig, ColModernVBertForRetrieval, ModernBertConfig, ModernVBertConfig, PreTrainedTokenizerFast, SiglipVisionConfig
from transformers.models.colmodernvbert.processing_colmodernvbert import ColModernVBertProcessor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

NAME = "colmodernvbert"
ADDED = [
    "<global-img>", *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    "<end_of_utterance>", "<fake_token_around_image>", "<image>",
]  # fmt: skip
VOCABULARY = 50_408
# Of BERT's vocabulary.
TOKENS = {"pad_token_id": 0, "cls_token_id": 101, "bos_token_id": 101, "sep_token_id": 102, "eos_token_id": 102}
# An A4 page at 75 dots an inch; at this edge it becomes 2 × 2 tiles and the whole page.
PAGE = (620, 877)
EDGE = 1024


def tokenizer(source: Path, folder: Path) -> PreTrainedTokenizerFast:
    tokens = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokens.no_truncation()
    tokens.no_padding()
    tokens.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ADDED])
    tokens.save(str(folder / "tokenizer.json"))
    config = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    config = {name: value for name, value in config.items() if name.endswith("_token")}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192, "model_input_names": ["input_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), "utf-8")
    return PreTrainedTokenizerFast.from_pretrained(folder)


def config(image_token_id: int) -> ColModernVBertConfig:
    """ModernBERT as Ettin-150m is, whose local layers turn by the base of the global ones, behind SigLIP2-base of 512 pixels."""
    text = ModernBertConfig(**TOKENS, vocab_size=VOCABULARY, hidden_size=768, num_hidden_layers=22, num_attention_heads=12, intermediate_size=1152,
                            local_rope_theta=160_000.0)  # fmt: skip
    vision = SiglipVisionConfig(image_size=512, patch_size=16, vision_use_head=False)
    vlm = ModernVBertConfig(text_config=text, vision_config=vision, image_token_id=image_token_id, pixel_shuffle_factor=4)
    return ColModernVBertConfig(vlm_config=vlm, embedding_dim=128)


def drawn(width: int, height: int) -> Image.Image:
    """Lines of text are rows of dark blocks."""
    generator = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 255, np.uint8)
    for top in range(60, height - 60, 16):
        words = generator.integers(0, 2, size=width // 6).repeat(6)
        pixels[top : top + 8, 40 : len(words) - 40][:, words[40:-40] == 1] = 30
    return Image.fromarray(pixels)


def write_page(folder: Path, processor: ColModernVBertProcessor) -> None:
    page = drawn(*PAGE)
    inputs = processor.process_images(page, size={"longest_edge": EDGE})
    ids = inputs["input_ids"][0]
    tiles = np.rint((inputs["pixel_values"][0].numpy() * 0.5 + 0.5) * 255).astype(np.uint8)
    (folder / "page.bin").write_bytes(page.tobytes())
    (folder / "tiles.bin").write_bytes(tiles.tobytes())
    places = (ids == processor.image_token_id).nonzero().flatten()
    about = {"size": PAGE, "edge": EDGE, "tiles": tiles.shape, "ids": ids.tolist(), "places": places.tolist()}
    (folder / "page.json").write_text(json.dumps(about), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder whose tokenizer files are copied")
    parser.add_argument("--out", type=Path, required=True, help="folder to put the checkpoint's folder into")
    args = parser.parse_args()
    torch.manual_seed(0)
    folder = args.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokens = tokenizer(args.tokenizer, folder)
    image = Idefics3ImageProcessorPil(
        size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}, resample=1, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    processor = ColModernVBertProcessor(image, tokens)
    ColModernVBertForRetrieval(config(tokens.convert_tokens_to_ids("<image>"))).save_pretrained(folder)
    image.save_pretrained(folder)
    processor.save_pretrained(args.out / "saved")
    shutil.move(args.out / "saved" / "processor_config.json", folder / "processor_config.json")
    shutil.rmtree(args.out / "saved")
    write_page(folder, processor)


if __name__ == "__main__":
    main()
