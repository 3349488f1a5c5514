"""Makes the tiny ColQwen2 of `tests/fixtures/visual/colqwen2/` in every layout it is published in, and what it computes with three-dimensional positions.

Those are colpali-engine's and transformers 4's. The pinned transformers' own class gives the tokens of a page plain positions unless it is
handed others, as here; colpali-engine's class must agree.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig
from transformers.models.colqwen2 import ColQwen2Config, ColQwen2ForRetrieval
from transformers.models.colqwen2.processing_colqwen2 import ColQwen2Processor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import bodies
from visual import (
    VISUAL, Capture, Case, compact_file, floats, kept, load_file, near, picture, save_adapter, save_renamed, save_tensors, seed_weights, start, texts, tower,
    write_json,
)  # fmt: skip

FOLDER = VISUAL / "colqwen2"
PATCH, MERGE, WIDTH, VISION = 14, 2, 16, 24
LIMITS = {"shortest_edge": 4 * 28 * 28, "longest_edge": 15 * 28 * 28}
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>",
    "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QUERIES = ["What does the y axis show?", "", "Wie hoch war der Anteil?\n\nIt's 12,500 Été <|im_end|> 中国"]
PAGES = [(140, 90, (30, 20, 60, 50)), (41, 67, None), (9, 150, None), (1, 1, None), (150, 100, None)]
HIDDEN = 1
# As colpali-engine trains them: the text tower's products and the head.
TARGETS = r"(.*(model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"


def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """As Qwen2's: bytes, words cut by its own pattern, the special tokens behind; the vocabulary is the small RoBERTa's."""
    source = json.loads((bodies.TOKENIZERS / "roberta" / "tokenizer.json").read_text("utf-8"))
    special = {token["content"] for token in source["added_tokens"]}
    words = [word for word in sorted(source["model"]["vocab"], key=source["model"]["vocab"].get) if word not in special]
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in source["model"]["merges"]]
    tokens = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, merges))
    tokens.normalizer = normalizers.NFC()
    cut = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokens.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokens.post_processor = processors.ByteLevel(trim_offsets=False)
    tokens.decoder = decoders.ByteLevel()
    tokens.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    folder.mkdir(parents=True, exist_ok=True)
    tokens.save(str(folder / "tokenizer.json"))
    settings = {
        "add_prefix_space": False, "bos_token": None, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace",
        "model_max_length": 32768, "padding_side": "left", "split_special_tokens": False, "tokenizer_class": "PreTrainedTokenizerFast",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    return PreTrainedTokenizerFast.from_pretrained(folder)


def image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(size=LIMITS, patch_size=PATCH, merge_size=MERGE)


def config(tokens: PreTrainedTokenizerFast) -> ColQwen2Config:
    text = {
        "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokens) + 3,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    }  # fmt: skip
    vision = {
        "depth": 2, "embed_dim": VISION, "hidden_size": 32, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": MERGE, "temporal_patch_size": 2,
        "mlp_ratio": 2,
    }  # fmt: skip
    names = {"image_token_id": "image_pad", "video_token_id": "video_pad", "vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end"}
    ids = {name: tokens.convert_tokens_to_ids(f"<|{token}|>") for name, token in names.items()}
    return ColQwen2Config(vlm_config=Qwen2VLConfig(text_config=text, vision_config=vision, **ids), embedding_dim=WIDTH)


def build(folder: Path) -> None:
    tokens = tokenizer(folder)
    processor = ColQwen2Processor(image_processor(), tokens)
    seed_weights(ColQwen2ForRetrieval(config(tokens)), 81).save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    with tempfile.TemporaryDirectory() as saved:
        processor.save_pretrained(saved)
        shutil.copyfile(Path(saved) / "processor_config.json", folder / "processor_config.json")
    compact_file(folder / "tokenizer.json")


def modules(model: ColQwen2ForRetrieval) -> dict[str, torch.nn.Module]:
    vision, text = model.vlm.visual, model.vlm.language_model
    both = tower("vision", vision.patch_embed, vision.blocks, vision.merger.ln_q)
    return both | {"features": vision.merger} | tower("hidden", None, text.layers, text.norm)


def run(model, capture: Capture, inputs: dict) -> tuple[dict, list]:
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    grid = inputs.get("image_grid_thw")
    types = (ids == model.config.vlm_config.image_token_id).int()
    positions, _ = model.vlm.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid, attention_mask=mask)
    pixels = {"pixel_values": inputs["pixel_values"], "image_grid_thw": grid} if grid is not None else {}
    embeddings = model(input_ids=ids, attention_mask=mask, position_ids=positions, **pixels).embeddings[0]
    return {"embeddings": embeddings} | {name: value.reshape(-1, value.shape[-1]) for name, value in capture.take().items()}, positions[:, 0].tolist()


def older_name(name: str) -> str:
    """As transformers 4 saves its class."""
    return name.replace("vlm.", "vlm.model.", 1)


def engine_name(name: str) -> str:
    """As colpali-engine's class was when its models were published."""
    for ours, theirs in (("vlm.language_model.", "model."), ("vlm.visual.", "visual."), ("embedding_proj_layer", "custom_text_proj")):
        name = name.replace(ours, theirs)
    return name


def older(folder: Path, weights: dict) -> None:
    head = {"vlm.lm_head.weight": weights["vlm.language_model.embed_tokens.weight"].clone()}
    save_renamed(folder, {older_name(name): value for name, value in weights.items()} | head)


def engine(folder: Path, weights: dict) -> None:
    """The language model's head beside the weights, and Qwen2-VL's config as transformers had it then: the text tower's fields at the top."""
    native = json.loads((FOLDER / "checkpoint" / "config.json").read_text("utf-8"))["vlm_config"]
    text = {name: value for name, value in native["text_config"].items() if value is not None and name not in ("model_type", "rope_parameters", "layer_types")}
    ids = {name: value for name, value in native.items() if name.endswith("_token_id")}
    rope = {"rope_theta": 1e4, "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 1]}}
    flat = {"model_type": "qwen2_vl", "architectures": ["ColQwen2"], "torch_dtype": "float16", "vision_config": native["vision_config"]} | text | ids | rope
    head = {"lm_head.weight": weights["vlm.language_model.embed_tokens.weight"].clone()}
    save_renamed(folder, {engine_name(name): value for name, value in weights.items()} | head, flat)
    image = json.loads((FOLDER / "checkpoint" / "preprocessor_config.json").read_text("utf-8"))
    image |= {"min_pixels": LIMITS["shortest_edge"], "max_pixels": LIMITS["longest_edge"], "processor_class": "ColQwen2Processor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(image, indent=2) + "\n", "utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(FOLDER / "checkpoint" / name, folder / name)


def engine_processor(folder: Path):
    from colpali_engine.models.qwen2.colqwen2 import ColQwen2Processor as Engine
    from transformers import Qwen2VLVideoProcessor

    return Engine(image_processor(), PreTrainedTokenizerFast.from_pretrained(folder), Qwen2VLVideoProcessor())


def engine_model(folder: Path):
    from colpali_engine.models.qwen2.colqwen2 import ColQwen2

    class Narrow(ColQwen2):
        def __init__(self, config, **kwargs):
            super().__init__(config, **kwargs)
            self.custom_text_proj = torch.nn.Linear(config.text_config.hidden_size, WIDTH)

    return Narrow.from_pretrained(folder, dtype=torch.float32).eval()


def engine_run(model, inputs) -> torch.Tensor:
    """With the kinds of tokens, which the class needs for its positions since transformers asks for them."""
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values", "image_grid_thw") if name in inputs}
    if "pixel_values" in inputs:
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == model.config.image_token_id).int()
    return model(**inputs)[0]


def adapted(folder: Path, model, inputs: list[dict]) -> list[torch.Tensor]:
    settings = LoraConfig(r=4, lora_alpha=8, init_lora_weights="gaussian", bias="none", task_type="FEATURE_EXTRACTION", target_modules=TARGETS)
    adapter = get_peft_model(model, settings)
    save_adapter(folder, adapter, "../engine", lambda name: name.replace("base_model.model.language_model.", "base_model.model.model."), 82)
    merged = adapter.merge_and_unload().eval()
    return [engine_run(merged, one) for one in inputs]


def page(model, processor, capture: Capture, image) -> tuple[dict, dict]:
    inputs = processor.process_images([image])
    found, positions = run(model, capture, inputs)
    [_, rows, columns] = inputs["image_grid_thw"][0].tolist()
    patches = (inputs["input_ids"][0] == model.config.vlm_config.image_token_id).int().tolist()
    resized = image.resize((columns * PATCH, rows * PATCH), Image.Resampling.BICUBIC)
    assert torch.equal(processor.process_images([resized])["pixel_values"], inputs["pixel_values"])
    return {"grid": [rows, columns], "positions": positions, "patches": patches} | texts(inputs), found | {"resized": np.asarray(resized)}


def queries(case: Case, model, capture: Capture, processor, engine) -> None:
    for index, text in enumerate(QUERIES):
        inputs = processor.process_queries([text])
        case.add("query", "queries", {"text": text} | texts(inputs), kept(run(model, capture, inputs)[0], index < HIDDEN))
    for text in QUERIES:
        inputs = engine.process_queries([text])
        case.add("engine.query", "engine_queries", {"text": text} | texts(inputs), kept(run(model, capture, inputs)[0], False))


def pages(case: Case, model, capture: Capture, processor, engine) -> None:
    for index, (width, height, mark) in enumerate(PAGES):
        image = picture(width, height, 30 + index, mark)
        entry, found = page(model, processor, capture, image)
        assert entry["ids"] == engine.process_images([image])["input_ids"][0].tolist()
        entry = {"size": [width, height], "hidden": index < HIDDEN} | entry
        case.add("page", "pages", entry, {"pixels": np.asarray(image)} | kept(found, index < HIDDEN))


def other_folders(case: Case, processor) -> None:
    """The engine's class must agree on its own folder; with the adapter it says what is expected."""
    image = picture(*PAGES[0][:2], 30, PAGES[0][2])
    inputs = {"engine.query": processor.process_queries([QUERIES[0]]), "page": processor.process_images([image])}
    model = engine_model(FOLDER / "engine")
    for kind, one in inputs.items():
        near(kind, case.vectors[kind][0], engine_run(model, one))
    for kind, embeddings in zip(("query", "page"), adapted(FOLDER / "adapter", model, list(inputs.values()))):
        case.tensors[f"adapter.{kind}.0.embeddings"] = embeddings


def main() -> None:
    reference = start()
    shutil.rmtree(FOLDER, ignore_errors=True)
    checkpoint = FOLDER / "checkpoint"
    build(checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    older(FOLDER / "older", weights)
    engine(FOLDER / "engine", weights)

    model = ColQwen2ForRetrieval.from_pretrained(checkpoint, attn_implementation="eager", dtype=torch.float32).eval()
    processor = ColQwen2Processor(image_processor(), PreTrainedTokenizerFast.from_pretrained(checkpoint))
    other = engine_processor(FOLDER / "engine")
    capture = Capture(modules(model))
    capture.input_of("hidden.0", model.vlm.language_model.layers[0])
    settings = {"patch": PATCH, "merge": MERGE, "limits": list(LIMITS.values()), "dimension": WIDTH, "image_token_id": processor.image_token_id}
    case = Case(reference, settings)
    queries(case, model, capture, processor, other)
    pages(case, model, capture, processor, other)
    for kind, key in (("query", "scores"), ("engine.query", "engine_scores")):
        case.expected[key] = floats(processor.score_retrieval(case.vectors[kind], case.vectors["page"]))
    other_folders(case, other)
    write_json(FOLDER / "expected.json", case.expected)
    save_tensors(FOLDER / "expected.safetensors", case.tensors)


if __name__ == "__main__":
    main()
