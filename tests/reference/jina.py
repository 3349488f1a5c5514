"""jina-colbert-v2: Stanford's layout, with the names and the config of code that comes with the checkpoint.

transformers has no class for those files, but one for the same body, `JinaEmbeddingsV3Model`: XLM-RoBERTa with its norms after the sums,
one token type, and rotary positions by halves over the whole head in the place of a table. Its loader knows the weights' names too.
So that class computes what is expected, from a copy of the folder whose config is spelled its way.
"""

import re
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

import bodies
import tiny
from sentence_transformers_cases import Subject

BASE = 500.0
NAMES = {
    r"embeddings\.LayerNorm": "emb_ln",
    r"^layers": "encoder.layers",
    r"self_attn\.o_proj": "mixer.out_proj",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
}


def remote_names(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Under `roberta.`, and the three products of a layer's attention as one."""
    weights = {}
    for name, value in model.state_dict().items():
        for pattern, other in NAMES.items():
            name = re.sub(pattern, other, name)
        weights[f"roberta.{name}"] = value
    for name in [name for name in weights if "self_attn.q_proj" in name]:
        parts = [weights.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        weights[name.replace("self_attn.q_proj", "mixer.Wqkv")] = torch.cat(parts)
    return weights


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
    code = "jinaai/xlm-roberta-flash-implementation--"
    config = shape | {
        "auto_map": {
            "AutoConfig": code + "configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": code + "modeling_lora.XLMRobertaLoRA",
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
    weights = remote_names(model.bfloat16())
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
