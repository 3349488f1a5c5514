"""Checkpoints with the names and the config of Jina's own code, which comes with them: jina-colbert-v2, and one without a head of the
older version of that code.

transformers has no class for those files, but one for the same body, `JinaEmbeddingsV3Model`: XLM-RoBERTa with its norms after the sums,
one token type, and rotary positions by halves over the whole head in the place of a table. Its loader knows the weights' names too.
So that class computes what is expected, from a copy of the folder whose config is spelled its way.

The older version, that of jina-reranker-v2, has a table of positions where the newer one turns heads: then it is XLM-RoBERTa by other
names, as Jina's own `convert_roberta_weights_to_flash.py` makes it out of a checkpoint of `XLMRobertaModel`. That class computes what is
expected of it.
"""

import shutil
import tempfile
from functools import reduce
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, XLMRobertaModel

import bodies
import tiny
from sentence_transformers_cases import PlainSubject, Subject

CODE = "jinaai/xlm-roberta-flash-implementation--"
BASE = 500.0
# Of transformers, and of Jina's code.
NAMES = [
    ("embeddings.LayerNorm", "emb_ln"),
    ("layers.", "encoder.layers."),
    *((f"self_attn.{part}_proj", f"mixer.{part}") for part in "qkv"),
    ("self_attn.o_proj", "mixer.out_proj"),
    ("post_attention_layernorm", "norm1"),
    ("post_mlp_layernorm", "norm2"),
]
ABSOLUTE_NAMES = [
    ("embeddings.LayerNorm", "emb_ln"),
    ("encoder.layer.", "encoder.layers."),
    *((f"attention.self.{part}", f"mixer.{part[0]}") for part in ("query", "key", "value")),
    ("attention.output.dense", "mixer.out_proj"),
    ("attention.output.LayerNorm", "norm1"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
    ("output.LayerNorm", "norm2"),
]


def renamed(weights: dict[str, torch.Tensor], names) -> dict[str, torch.Tensor]:
    return {reduce(lambda name, pair: name.replace(*pair), names, name): value for name, value in weights.items()}


def remote_names(model: torch.nn.Module, names: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """Under `roberta.`, and the three products of a layer's attention as one."""
    weights = {f"roberta.{name}": value for name, value in renamed(model.state_dict(), names).items()}
    for name in [name for name in weights if ".mixer.q." in name]:
        parts = [weights.pop(name.replace("mixer.q", f"mixer.{part}")) for part in "qkv"]
        weights[name.replace("mixer.q", "mixer.Wqkv")] = torch.cat(parts)
    return weights


def own_names(weights: dict[str, torch.Tensor], names: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """Those of transformers again."""
    for name in [name for name in weights if ".mixer.Wqkv." in name]:
        parts = weights.pop(name).chunk(3)
        weights |= {name.replace("Wqkv", part): value.contiguous() for part, value in zip("qkv", parts)}
    return renamed(weights, [(jina, own) for own, jina in reversed(names)])


def build(folder: Path) -> None:
    tokens = bodies.save_tokenizer(folder, "xlm-roberta")
    bodies.without_table(folder)
    tokenizer = bodies.add_tokens(folder, ["[QueryMarker]", "[DocumentMarker]"])
    shape = {"hidden_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 35}
    shape |= tokens | {"vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": 64}
    rope = {"rope_type": "default", "rope_theta": BASE}
    model = JinaEmbeddingsV3Model(JinaEmbeddingsV3Config(**shape, rope_parameters=rope)).eval()
    tiny.seed_weights(model, 41, bodies.scale)
    linear = nn.Linear(40, 16, bias=False)
    tiny.seed_weights(linear, 42, bodies.scale)
    config = shape | {
        "auto_map": {
            "AutoConfig": CODE + "configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": CODE + "modeling_lora.XLMRobertaLoRA",
        },
        "emb_pooler": None,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "model_type": "xlm-roberta",
        "position_embedding_type": "rotary",
        "rotary_emb_base": BASE,
        "torch_dtype": "bfloat16",
        "type_vocab_size": 1,
        "use_flash_attn": True,
    }
    markers = {"query_token_id": "[QueryMarker]", "doc_token_id": "[DocumentMarker]"}
    markers |= {"query_token": "[QueryMarker]", "doc_token": "[DocumentMarker]"}
    weights = remote_names(model.bfloat16(), NAMES)
    bodies.save_stanford(folder, weights, config, linear.bfloat16(), attend_to_mask_tokens=True, doc_maxlen=30, **markers)


class JinaSubject(Subject):
    def __init__(self, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary) / "copy"
            shutil.copytree(folder, copy)
            bodies.edit(copy / "config.json", native_spelling)
            super().__init__(copy)

    def encode(self, kind: str, text: str):
        """Without white space at its ends, as PyLate reads any checkpoint of this layout."""
        return super().encode(kind, text.strip())

    def tokenizer_input(self, kind: str, text: str) -> tuple[str, list, int]:
        string, origins, limit = super().tokenizer_input(kind, text.strip())
        start = len(text) - len(text.lstrip())
        return string, [origin if origin is None else origin + start for origin in origins], limit


def native_spelling(config: dict) -> None:
    for name in ("auto_map", "position_embedding_type"):
        config.pop(name)
    base = config.pop("rotary_emb_base")
    config |= {"model_type": "jina_embeddings_v3", "rope_parameters": {"rope_type": "default", "rope_theta": base}}


def build_absolute(folder: Path) -> None:
    bodies.roberta(folder, kind="xlm-roberta", hidden_size=24, intermediate_size=31)
    model = XLMRobertaModel.from_pretrained(folder).eval()
    tiny.seed_weights(model, 45, bodies.scale)
    save_file(remote_names(model.bfloat16(), ABSOLUTE_NAMES), folder / "model.safetensors", metadata={"format": "pt"})

    def older(config: dict) -> None:
        config |= {"auto_map": {"AutoConfig": CODE + "configuration_xlm_roberta.XLMRobertaFlashConfig"}, "use_flash_attn": True}
        config |= {"position_embedding_type": "absolute", "emb_pooler": None}

    bodies.edit(folder / "config.json", older)


class AbsoluteSubject(PlainSubject):
    def __init__(self, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary) / "copy"
            shutil.copytree(folder, copy)
            bodies.edit(copy / "config.json", lambda config: config.pop("auto_map"))
            weights = own_names(load_file(folder / "model.safetensors"), ABSOLUTE_NAMES)
            save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
            super().__init__(copy)
