"""Makes the tiny ColPali of `tests/fixtures/visual/colpali/` in every layout it is published in, and what transformers computes on it.

All of them attend both ways, which the pinned transformers does only where `token_type_ids` of zeros are sent; colpali-engine's own processor does
not send them for queries, older versions did not need them.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import processors
from transformers import ColPaliConfig, ColPaliForRetrieval, PaliGemmaConfig, PreTrainedTokenizerFast
from transformers.models.colpali.processing_colpali import ColPaliProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import bodies
from visual import (
    VISUAL, Capture, Case, bytes_of, compact_file, digest, floats, kept, load_file, near, picture, save_adapter, save_renamed, save_tensors, seed_weights, start,
    texts, tower, write_json,
)  # fmt: skip

FOLDER = VISUAL / "colpali"
SIDE, PATCH, WIDTH = 32, 8, 16
QUERIES = ["What does the y axis show?", "", "Wie hoch war der Anteil?\nÉté <bos> 中国"]
PAGES = [(50, 70, (10, 10, 30, 40)), (33, 20, None), (1, 1, None)]
HIDDEN = 1
# As colpali-engine trains them: the text tower's products and the head.
TARGETS = r"(.*(language_model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"


def tokenizer(folder: Path, adds_bos: bool) -> PreTrainedTokenizerFast:
    """As Gemma's. Published files may add `<bos>` by themselves, which the processors switch off."""
    bodies.save_tokenizer(folder, "mmbert", model_max_length=8192, add_bos_token=adds_bos, add_eos_token=False)
    tokens = bodies.add_tokens(folder, ["<image>"])
    bos = ("<bos>", tokens.token_to_id("<bos>"))
    single = "<bos>:0 $A:0" if adds_bos else "$A:0"
    tokens.post_processor = processors.TemplateProcessing(single=single, pair=f"{single} $B:1", special_tokens=[bos] if adds_bos else [])
    tokens.save(str(folder / "tokenizer.json"))
    return PreTrainedTokenizerFast.from_pretrained(folder)


def image_processor() -> SiglipImageProcessorPil:
    processor = SiglipImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, resample=3, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], image_seq_length=(SIDE // PATCH) ** 2
    )
    processor.image_seq_length = (SIDE // PATCH) ** 2
    return processor


def config(tokens: PreTrainedTokenizerFast) -> ColPaliConfig:
    ids = {f"{role}_token_id": tokens.convert_tokens_to_ids(f"<{role}>") for role in ("pad", "bos", "eos")}
    text = {
        "model_type": "gemma", "hidden_size": 24, "intermediate_size": 36, "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 1,
        "head_dim": 8, "vocab_size": len(tokens) + 3, "max_position_embeddings": 512, **ids,
    }  # fmt: skip
    vision = {
        "model_type": "siglip_vision_model", "image_size": SIDE, "patch_size": PATCH, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2,
        "num_attention_heads": 2, "projection_dim": 24, "vision_use_head": False,
    }  # fmt: skip
    image = tokens.convert_tokens_to_ids("<image>")
    vlm = PaliGemmaConfig(text_config=text, vision_config=vision, projection_dim=24, hidden_size=24, image_token_index=image, **ids)
    return ColPaliConfig(vlm_config=vlm, embedding_dim=WIDTH)


def build(folder: Path) -> None:
    tokens = tokenizer(folder, adds_bos=False)
    # The processor adds Gemma's tokens of places to the vocabulary, which nobody's page has.
    settings = config(tokens)
    processor = ColPaliProcessor(image_processor(), tokens)
    seed_weights(ColPaliForRetrieval(settings), 71).save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    with tempfile.TemporaryDirectory() as saved:
        processor.save_pretrained(saved)
        shutil.copyfile(Path(saved) / "processor_config.json", folder / "processor_config.json")
    compact_file(folder / "tokenizer.json")


def modules(model: ColPaliForRetrieval) -> dict[str, torch.nn.Module]:
    vision, text = model.vlm.vision_tower, model.vlm.language_model
    both = tower("vision", vision.embeddings, vision.encoder.layers, vision.post_layernorm)
    return both | {"features": model.vlm.multi_modal_projector} | tower("hidden", None, text.layers, text.norm)


def run(model, capture: Capture, inputs: dict) -> dict:
    inputs = {name: value for name, value in inputs.items() if name in ("input_ids", "attention_mask", "pixel_values")}
    embeddings = model(**inputs, token_type_ids=torch.zeros_like(inputs["input_ids"])).embeddings[0]
    return {"embeddings": embeddings} | {name: value if name.startswith("vision") else value.flatten(0, -2) for name, value in capture.take().items()}


def engine_processor(folder: Path):
    from colpali_engine.models.paligemma.colpali import ColPaliProcessor as Engine

    return Engine(image_processor(), PreTrainedTokenizerFast.from_pretrained(folder))


def older_name(name: str) -> str:
    """As transformers 4 saves its class."""
    name = name.replace("vlm.vision_tower.", "vlm.vision_tower.vision_model.") if ".vision_model." not in name else name
    return name if "language_model.model." in name else name.replace("vlm.language_model.", "vlm.language_model.model.")


def engine_name(name: str) -> str:
    return older_name(name).replace("vlm.", "model.", 1).replace("embedding_proj_layer", "custom_text_proj")


def engine(folder: Path, weights: dict) -> None:
    """As published by colpali-engine: its own class in the names of its time, the language model's head beside it, PaliGemma's config."""
    native = json.loads((FOLDER / "checkpoint" / "config.json").read_text("utf-8"))["vlm_config"]
    named = {engine_name(name): value for name, value in weights.items()}
    named["model.language_model.lm_head.weight"] = named["model.language_model.model.embed_tokens.weight"].clone()
    save_renamed(folder, named, native | {"architectures": ["ColPali"], "dtype": "float16"})
    with tempfile.TemporaryDirectory() as other:
        tokenizer(Path(other), adds_bos=True)
        compact_file(Path(other) / "tokenizer.json")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(Path(other) / name, folder / name)
    image = json.loads((FOLDER / "checkpoint" / "preprocessor_config.json").read_text("utf-8")) | {"processor_class": "ColPaliProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(image, indent=2) + "\n", "utf-8")


def engine_model(folder: Path):
    from colpali_engine.models.paligemma.colpali import ColPali

    class Narrow(ColPali):
        def __init__(self, config, **kwargs):
            super().__init__(config, **kwargs)
            self.custom_text_proj = torch.nn.Linear(config.text_config.hidden_size, WIDTH)

    return Narrow.from_pretrained(folder, dtype=torch.float32).eval()


def engine_run(model, inputs) -> torch.Tensor:
    inputs = {name: value for name, value in inputs.items() if name in ("input_ids", "attention_mask", "pixel_values")}
    return model(**inputs, token_type_ids=torch.zeros_like(inputs["input_ids"]))[0]


def adapted(folder: Path, model, inputs: list[dict]) -> list[torch.Tensor]:
    """The engine's folder with an adapter of its class, merged by peft. The file has the names of the engine's module tree when v1.2 and v1.3 came out."""
    settings = LoraConfig(r=4, lora_alpha=8, init_lora_weights="gaussian", bias="none", task_type="FEATURE_EXTRACTION", target_modules=TARGETS)
    adapter = get_peft_model(model, settings)
    save_adapter(folder, adapter, "../engine", lambda name: name.replace("model.model.model.language_model.", "model.model.language_model.model."), 72)
    merged = adapter.merge_and_unload().eval()
    return [engine_run(merged, one) for one in inputs]


def queries(case: Case, model, capture: Capture, processor, engine) -> None:
    for index, text in enumerate(QUERIES):
        inputs = processor.process_queries([text])
        case.add("query", "queries", {"text": text} | texts(inputs), kept(run(model, capture, inputs), index < HIDDEN))
    for text in QUERIES:
        inputs = engine.process_queries([text])
        case.add("engine.query", "engine_queries", {"text": text} | texts(inputs), kept(run(model, capture, inputs), False))


def pages(case: Case, model, capture: Capture, processor, engine) -> None:
    """The engine's ones with two `<bos>`: one is in its prompt, one is set by PaliGemma's processor."""
    for index, (width, height, mark) in enumerate(PAGES):
        image = picture(width, height, 20 + index, mark)
        inputs, hidden = processor.process_images([image]), index < HIDDEN
        tile = np.ascontiguousarray(bytes_of(inputs["pixel_values"]).transpose(0, 2, 3, 1))
        patches = (inputs["input_ids"][0] == processor.image_token_id).int().tolist()
        entry = {"size": [width, height], "tiles": [digest(tile[0])], "patches": patches, "hidden": hidden} | texts(inputs)
        found = kept(run(model, capture, inputs) | {"tiles": tile}, hidden)
        case.add("page", "pages", entry, {"pixels": np.asarray(image)} | found)
        inputs = engine.process_images([image])
        case.add("engine.page", "engine_pages", {"size": [width, height]} | texts(inputs), kept(run(model, capture, inputs), False))


def other_folders(case: Case, processor) -> None:
    """The engine's class must agree on its own folder; with the adapter it says what is expected."""
    image = picture(*PAGES[0][:2], 20, PAGES[0][2])
    inputs = {"query": processor.process_queries([QUERIES[0]]), "page": processor.process_images([image])}
    model = engine_model(FOLDER / "engine")
    for kind, one in inputs.items():
        near(kind, case.vectors[f"engine.{kind}"][0], engine_run(model, one))
    for kind, embeddings in zip(inputs, adapted(FOLDER / "adapter", model, list(inputs.values()))):
        case.tensors[f"adapter.{kind}.0.embeddings"] = embeddings


def main() -> None:
    reference = start()
    shutil.rmtree(FOLDER, ignore_errors=True)
    checkpoint = FOLDER / "checkpoint"
    build(checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    save_renamed(FOLDER / "older", {older_name(name): value for name, value in weights.items()})
    engine(FOLDER / "engine", weights)

    model = ColPaliForRetrieval.from_pretrained(checkpoint, attn_implementation="eager", dtype=torch.float32).eval()
    processor = ColPaliProcessor(image_processor(), PreTrainedTokenizerFast.from_pretrained(checkpoint))
    other = engine_processor(FOLDER / "engine")
    capture = Capture(modules(model))
    capture.input_of("hidden.0", model.vlm.language_model.layers[0])
    case = Case(reference, {"side": SIDE, "patch": PATCH, "dimension": WIDTH, "image_token_id": processor.image_token_id})
    queries(case, model, capture, processor, other)
    pages(case, model, capture, processor, other)
    case.expected["scores"] = floats(processor.score_retrieval(case.vectors["query"], case.vectors["page"]))
    case.expected["engine_scores"] = floats(processor.score_retrieval(case.vectors["engine.query"], case.vectors["engine.page"]))
    other_folders(case, other)
    write_json(FOLDER / "expected.json", case.expected)
    save_tensors(FOLDER / "expected.safetensors", case.tensors)


if __name__ == "__main__":
    main()
