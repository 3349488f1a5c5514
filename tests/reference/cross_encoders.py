"""Writes tiny cross-encoders of every class, and what sentence-transformers' `CrossEncoder` makes of pairs.

Each pair is computed alone, in float32. A folder comes as its class's `save_pretrained` leaves it, or as `CrossEncoder` saves it, by
turns, so that the score's function stands in each of the files that may name it.
"""

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

# One thread: the order of sums, and so every bit of the output, is the same on each run.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from torch import nn
from transformers import (
    AutoModelForSequenceClassification, BertConfig, CamembertConfig, DistilBertConfig, ModernBertModel, RobertaConfig, XLMRobertaConfig,
)  # fmt: skip

import bodies
import tiny
from make_fixtures import FIXTURES, compact_json, pinned_versions
from record import compact
from texts import TEXTS, with_limits

LENGTH = 30
# Short, in another script, of special tokens, and longer than most documents and than a pair may be.
QUERIES = [TEXTS[3], TEXTS[6], TEXTS[14], TEXTS[4], TEXTS[5]]


def documents() -> list[str]:
    """Nothing, few tokens, more than fit, other scripts, special tokens in the text; lengths about the limit."""
    chosen = [TEXTS[i] for i in (0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 23, 24, 27)]
    return with_limits(chosen, LENGTH - 3 - 9)


def save(folder: Path, config, seed: int, **settings) -> None:
    """As transformers writes it."""
    config.num_labels = 1
    model = AutoModelForSequenceClassification.from_config(config)
    tiny.seed_weights(model, seed, bodies.scale)
    model.save_pretrained(folder)
    bodies.edit(folder / "config.json", lambda config: config.update(settings))


def save_again(folder: Path, **options) -> None:
    """As `CrossEncoder` writes it."""
    CrossEncoder(str(folder), device="cpu", **options).save_pretrained(str(folder), create_model_card=False)


def bert(folder: Path) -> None:
    """The function's name in the field of old; types of both texts."""
    vocab = tiny.vocabulary()
    tiny.save_tokenizer(folder, vocab, LENGTH)
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37,
        max_position_embeddings=64, pad_token_id=vocab.index("[PAD]"),
    )  # fmt: skip
    save(folder, config, 51, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")


def roberta_config(folder: Path, kind: str, config) -> object:
    tokens = bodies.save_tokenizer(folder, kind, model_max_length=LENGTH)
    return config(
        hidden_size=20, intermediate_size=23, num_attention_heads=2, num_hidden_layers=2, type_vocab_size=1, layer_norm_eps=1e-5,
        max_position_embeddings=LENGTH + 2, **tokens,
    )  # fmt: skip


def roberta(folder: Path) -> None:
    """The function's name where version 4 of the library wrote it."""
    config = roberta_config(folder, "roberta", RobertaConfig)
    save(folder, config, 52, sentence_transformers={"activation_fn": "torch.nn.modules.activation.Tanh", "version": "4.1.0"})


def xlm_roberta(folder: Path) -> None:
    """A prompt before each query; no file names a function."""
    config = roberta_config(folder, "xlm-roberta", XLMRobertaConfig)
    bodies.without_table(folder)
    save(folder, config, 53)
    save_again(folder, prompts={"other": "war ", "search": "the oil: "}, default_prompt_name="search")
    bodies.edit(folder / "config_sentence_transformers.json", lambda config: config.pop("activation_fn"))


def camembert(folder: Path) -> None:
    """The length says `sentence_bert_config.json` alone."""
    config = roberta_config(folder, "xlm-roberta", CamembertConfig)
    bodies.without_table(folder)
    save(folder, config, 54)
    save_again(folder)
    bodies.edit(folder / "tokenizer_config.json", lambda config: config.pop("model_max_length"))
    bodies.edit(folder / "sentence_bert_config.json", lambda config: config.update(max_seq_length=LENGTH - 7))


def distilbert(folder: Path) -> None:
    """No length but the table's; lower case by the Transformer's own setting."""
    tokens = bodies.save_tokenizer(folder, "distilbert-cased")
    bodies.edit(folder / "tokenizer_config.json", lambda config: config.pop("model_max_length"))
    config = DistilBertConfig(
        dim=20, hidden_dim=23, n_heads=2, n_layers=2, max_position_embeddings=LENGTH, vocab_size=tokens["vocab_size"],
        pad_token_id=tokens["pad_token_id"],
    )  # fmt: skip
    save(folder, config, 55)
    save_again(folder, activation_fn=nn.Tanh())
    bodies.edit(folder / "sentence_bert_config.json", lambda config: config.update(do_lower_case=True))


def modernbert(folder: Path, seed: int, pooling: str, **settings) -> None:
    tokens = bodies.save_tokenizer(folder, "modernbert", model_max_length=LENGTH)
    config = bodies.modernbert_config(
        tokens, hidden_size=24, intermediate_size=23, num_hidden_layers=3, classifier_pooling=pooling, **settings
    )  # fmt: skip
    save(folder, config, seed)


def modernbert_mean(folder: Path) -> None:
    """Every switch of the head another than the class's own."""
    settings = {"classifier_bias": True, "classifier_activation": "silu", "norm_bias": True, "norm_eps": 1e-3}
    modernbert(folder, 57, "mean", **settings)
    save_again(folder, activation_fn=nn.Identity())


def modules(folder: Path) -> None:
    """Modules, as in Ettin's rerankers."""
    tokens = bodies.save_tokenizer(folder, "modernbert", model_max_length=LENGTH)
    config = bodies.modernbert_config(tokens, hidden_size=24, intermediate_size=23, num_hidden_layers=2)
    ModernBertModel(config).save_pretrained(folder)
    width = config.hidden_size
    stack = [
        Transformer(str(folder)),
        Pooling(width, "cls"),
        Dense(width, width, bias=False, activation_function=nn.GELU()),
        LayerNorm(width),
        Dense(width, 1, activation_function=nn.Identity(), module_output_name="scores"),
    ]
    for seed, module in enumerate(stack):
        tiny.seed_weights(module, 58 + seed, bodies.scale)
    model = CrossEncoder(modules=stack, device="cpu", activation_fn=nn.Identity())
    model.save_pretrained(str(folder), create_model_card=False)


CASES = {
    "bert": bert,
    "roberta": roberta,
    "xlm-roberta": xlm_roberta,
    "camembert": camembert,
    "distilbert": distilbert,
    "modernbert": partial(modernbert, seed=56, pooling="cls"),
    "modernbert-mean": modernbert_mean,
    "modules": modules,
}


def pair(model: CrossEncoder, query: str, document: str) -> dict:
    prompt = model.prompts.get(model.default_prompt_name)
    features = model.preprocess([[query, document]], prompt=prompt)
    ids = features["input_ids"][0].tolist()
    passed = model[0].model_forward_params
    types = features.get("token_type_ids") if passed is None or "token_type_ids" in passed else None
    assert features["attention_mask"].all()
    return {
        "ids": ids,
        "types": [0] * len(ids) if types is None else types[0].tolist(),
        "logit": float(model.predict([query, document], activation_fn=nn.Identity())),
        "score": float(model.predict([query, document])),
    }


def make(name: str, build, reference: dict) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        checkpoint = folder / "checkpoint"
        checkpoint.mkdir(parents=True)
        build(checkpoint)
        compact_json(checkpoint)
        model = CrossEncoder(str(checkpoint), device="cpu")
        texts = documents()
        rows = [[pair(model, query, document) for document in texts] for query in QUERIES]
        expected = {
            "reference": reference,
            "length": model.max_seq_length,
            "queries": QUERIES,
            "documents": texts,
            "pairs": rows,
        }
        (folder / "expected.json").write_text(compact(expected), "utf-8")
        target = FIXTURES / "cross-encoders" / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
    logits = [pair["logit"] for row in rows for pair in row]
    print(name, f"logits {min(logits):.2f} to {max(logits):.2f}", sum(path.stat().st_size for path in target.rglob("*") if path.is_file()))


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    reference = pinned_versions("requirements.txt")
    for name, build in CASES.items():
        make(name, build, reference)
    (FIXTURES / "cross-encoders" / "cases.json").write_text(json.dumps(list(CASES), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
