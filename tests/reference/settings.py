"""Writes which fields sentence-transformers 6 and transformers take from a checkpoint's files, by asking their classes.

`tests/settings.rs` holds its table against this: a field that a new version reads fails there until somebody has looked at it.
"""

import dataclasses
import inspect
import json
from pathlib import Path

from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling, MultiVectorMask
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from sentence_transformers.sentence_transformer.modules.pooling import _LEGACY_POOLING_MODE_KWARGS
from transformers import BertConfig, DistilBertConfig, ModernBertConfig, RobertaConfig, XLMRobertaConfig

BACKBONES = [BertConfig, DistilBertConfig, ModernBertConfig, RobertaConfig, XLMRobertaConfig]
FIXTURE = Path(__file__).parent.parent / "fixtures" / "settings.json"


def parameters(module: type, *but: str) -> list[str]:
    """What the constructor takes, which is what a module's file may hold."""
    return sorted(set(inspect.signature(module.__init__).parameters) - {"self", *but})


def main() -> None:
    fields = {
        **{f"config.json: {config.model_type}": sorted(field.name for field in dataclasses.fields(config)) for config in BACKBONES},
        "sentence_bert_config.json": parameters(Transformer, "model_name_or_path"),
        "1_Pooling/config.json": sorted({*Pooling.config_keys, *Pooling.config_key_renames, *_LEGACY_POOLING_MODE_KWARGS}),
        "1_Dense/config.json": parameters(Dense, "init_weight", "init_bias"),
        "2_MultiVectorMask/config.json": parameters(MultiVectorMask),
        "3_Normalize/config.json": parameters(Normalize),
        "4_HierarchicalTokenPooling/config.json": parameters(HierarchicalTokenPooling),
        "3_LayerNorm/config.json": parameters(LayerNorm),
    }
    lines = [f"{json.dumps(file)}: {json.dumps(names)}" for file, names in fields.items()]
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
