"""Tiny BERT parts: a real WordPiece tokenizer over a small vocabulary, and a model with seeded weights."""

import json
import re
from collections import Counter
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits, punctuation

import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel

CORPUS = Path(__file__).parent.parent / "data" / "squad-dev-a" / "corpus.jsonl"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNUSED = [f"[unused{i}]" for i in range(4)]
SUFFIXES = (
    "s ed ing ly er ion al tion ment est ity ous able ic es en y or an in on re is it le st water"
).split()
CHARACTERS = (
    "éèüöñçåäøæßíáúó" "½²£«»“”—–…•€™№" "αβγδεθικλμνοπρσςτωη" "абвгдеиклмнорстущ" "中国北京首都東日本的是。ガ"
    "القهرة" "עבר" "हन" "👍👩❤"
)
WORDS = 320


def common_words(count: int) -> list[str]:
    words = Counter()
    for line in CORPUS.read_text("utf-8").splitlines():
        words.update(re.findall(r"[a-z]{2,}", json.loads(line)["text"].lower()))
    return sorted(words, key=lambda word: (-words[word], word))[:count]


def vocabulary(reordered: bool = False, words: int = WORDS) -> list[str]:
    """BERT's usual order puts the special tokens first; `reordered` moves each of them elsewhere."""
    pieces = [*ascii_lowercase, *ascii_uppercase, *digits, *punctuation, *CHARACTERS]
    continuations = [*ascii_lowercase, *digits, *"éüßαδογςσоиة👧", *SUFFIXES]
    rest = pieces + ["##" + piece for piece in continuations] + common_words(words) + ["crisis", "embargo", "hello"]
    rest = list(dict.fromkeys(rest))
    if not reordered:
        return [SPECIAL[0], *UNUSED, *SPECIAL[1:], *rest]
    return [*rest[:40], "[MASK]", *rest[40:300], *UNUSED[::-1], "[SEP]", *rest[300:], "[CLS]", "[UNK]", "[PAD]"]


def save_tokenizer(folder: Path, vocab: list[str], model_max_length: int, cased: bool = False, **settings) -> None:
    """Writes tokenizer.json and tokenizer_config.json as BERT checkpoints have them, but for `settings` of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: index for index, token in enumerate(vocab)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    by_id = sorted(SPECIAL, key=ids.get)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in by_id])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    names = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
    config = {
        "do_lower_case": not cased,
        **names,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "tokenizer_class": "BertTokenizer",
        "model_max_length": model_max_length,
        **settings,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def add_older_tokenizer_files(folder: Path, vocab: list[str]) -> None:
    """The files that older checkpoints carry beside tokenizer.json, and the settings baked into it."""
    names = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
    (folder / "special_tokens_map.json").write_text(json.dumps(names), "utf-8")
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in vocab), "utf-8")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=vocab.index("[PAD]"), pad_token="[PAD]")
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")


def bert(vocab: list[str], positions: int = 64, **overrides) -> BertModel:
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        pad_token_id=vocab.index("[PAD]"),
        **overrides,
    )
    return BertModel(config).eval()


def scale(name: str) -> float:
    """Sizes at which tokens stay apart: words outweigh what all tokens share, and attention is far from uniform."""
    scales = {"word_embeddings": 1.0, "embeddings": 0.3, "bias": 0.2, "query": 0.4, "key": 0.4}
    return next((value for part, value in scales.items() if part in name), 0.15)


def seed_weights(module: torch.nn.Module, seed: int, scale=scale) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        centre = 1 if re.search(r"norm\d?\.weight$", name, re.IGNORECASE) else 0
        parameter.data.copy_(centre + scale(name) * noise)
