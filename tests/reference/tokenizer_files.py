"""Writes how transformers reads tokenizer files in their many forms: ids of a few texts, for variants of the `plain` checkpoint and of
the small tokenizers of other kinds.

Run in both environments: each fills in its own column, since PyLate and sentence-transformers 6 need different versions.
A variant changes the checkpoint's files: `tokenizer.json` and `config.json` by a JSON merge patch (RFC 7396), the small
ones as a whole, with `null` for an absent one.
"""

import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from make_fixtures import FIXTURES, library
from transformers import AutoTokenizer

OUT = FIXTURES / "tokenizer_files.json"
LENGTH = 24

TEXTS = [
    "the oil price rose",
    "",
    "Café naïve Ångström, ÜBER 東京 don't",
    "oil [MASK] [SEP][CLS] [UNK] [PAD] water",
    "[NEW] new[NEW]newword NEWWORD  newwords [new]",
    "[unused0] oil [unused1]x[unused2]",
    "water" * 9 + " waterwaterwater 12.50",
    "the\u200b oil\x00 \u00a0 price\ufb01 \u2167 e\u0301",
    " ".join("abcdefghijklmnopqrstuvwxyz"),
    "  it's  1973,\n\n\tWE'LL ▁y! ሰው <mask>x </s>१९ ",
]

BERT = {"tokenizer_class": "BertTokenizer", "model_max_length": 48}
GENERAL = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 48}
# Room for tokens behind the vocabulary's 592.
ROOM = {"vocab_size": 600}


def token(content: str, **flags) -> dict:
    off = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": content} | off | flags


def own(*extra: dict) -> list[dict]:
    """The plain checkpoint's added tokens, and more."""
    names = {0: "[PAD]", 5: "[UNK]", 6: "[CLS]", 7: "[SEP]", 8: "[MASK]"}
    return [{"id": id, **token(name)} for id, name in names.items()] + list(extra)


def decoder(*extra: tuple[int, dict]) -> dict:
    names = {0: "[PAD]", 5: "[UNK]", 6: "[CLS]", 7: "[SEP]", 8: "[MASK]"}
    return {str(id): token(name) for id, name in names.items()} | {str(id): t for id, t in extra}


def bert(**fields) -> dict:
    return {"tokenizer_config.json": BERT | fields, "special_tokens_map.json": None}


def general(tokenizer: dict | None = None, **fields) -> dict:
    """The general class takes `tokenizer.json` as it stands."""
    return {"tokenizer.json": tokenizer or {}, "tokenizer_config.json": GENERAL | fields, "special_tokens_map.json": None}


def template(*single: dict, **ids: list[int]) -> dict:
    special = {f"[{n}]": {"id": f"[{n}]", "ids": i, "tokens": [f"[{n}]"] * len(i)} for n, i in ids.items()}
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": list(single), "pair": pair, "special_tokens": special}


def special(name: str) -> dict:
    return {"SpecialToken": {"id": name, "type_id": 0}}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}

VARIANTS = {
    "as it is": {},
    # What the model block may leave out.
    "no model type": {"tokenizer.json": {"model": {"type": None}}},
    "no model type, general": general({"model": {"type": None}}),
    "no model type and no prefix": general({"model": {"type": None, "continuing_subword_prefix": None}}),
    "no longest word": general({"model": {"max_input_chars_per_word": None}}),
    "no unknown token": general({"model": {"unk_token": None}}),
    "another prefix and longest word, BERT": bert() | {
        "tokenizer.json": {"model": {"continuing_subword_prefix": "@@", "max_input_chars_per_word": 3, "unk_token": "[MASK]"}}
    },
    "another prefix and longest word, general": general(
        {"model": {"continuing_subword_prefix": "", "max_input_chars_per_word": 12, "unk_token": "[MASK]"}}
    ),
    "no version": general({"version": None}),
    "version 2": general({"version": "2.0"}),
    "an unknown part": general({"extra": {}}),
    "no added tokens": general({"added_tokens": []}),
    # Defaults of the class.
    "two fields": {"tokenizer_config.json": {"do_lower_case": True, "model_max_length": 48}, "special_tokens_map.json": None},
    "no tokenizer_config": {"tokenizer_config.json": None, "special_tokens_map.json": None},
    "no tokenizer_config, general tokenizer": {
        "tokenizer_config.json": None, "special_tokens_map.json": None,
        "tokenizer.json": {"pre_tokenizer": {"type": "WhitespaceSplit"}, "normalizer": None},
    },
    "class of config.json": {
        "tokenizer_config.json": {"model_max_length": 48}, "config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
        "tokenizer.json": {"normalizer": None},
    },
    "class of config.json, outranked": bert() | {
        "config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}, "tokenizer.json": {"normalizer": None},
    },
    "TokenizersBackend": {"tokenizer_config.json": GENERAL | {"tokenizer_class": "TokenizersBackend"}, "tokenizer.json": {"normalizer": None}},
    "BertTokenizerFast": {"tokenizer_config.json": GENERAL | {"tokenizer_class": "BertTokenizerFast"}, "tokenizer.json": {"normalizer": None}},
    "DistilBertTokenizer": {
        "tokenizer_config.json": GENERAL | {"tokenizer_class": "DistilBertTokenizer"}, "tokenizer.json": {"normalizer": None}
    },
    "switches": bert(do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False),
    "switches of the general class": general(do_lower_case=False, strip_accents=False, tokenize_chinese_chars=False),
    "BERT takes its own components": bert() | {
        "tokenizer.json": {
            "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": template(special("[MASK]"), TEXT, MASK=[8]),
        }
    },
    "BERT without components": bert() | {"tokenizer.json": {"normalizer": None, "pre_tokenizer": None, "post_processor": None}},
    "another first token": bert(cls_token="[unused0]"),
    "another first token, general": general(cls_token="[unused0]"),
    "another unknown token": bert(unk_token="[unused1]"),
    "an unknown token that is not there": bert(unk_token="[unused9]"),
    "another first token, outranked": bert(cls_token="[unused0]") | {"special_tokens_map.json": {"cls_token": "[CLS]"}},
    "a special token as an object": bert(mask_token={"__type": "AddedToken"} | token("[MASK]", lstrip=True)),
    "a special token of the model's own": bert(image_token="[unused1]"),
    # Tokens that only other files add.
    "added_tokens_decoder": bert(added_tokens_decoder=decoder((592, token("[NEW]")), (593, token("newword", special=False, normalized=True))))
    | {"config.json": ROOM},
    "added_tokens_decoder, general": general(
        None, added_tokens_decoder=decoder((592, token("[NEW]")), (593, token("newword", special=False, normalized=True)))
    ) | {"config.json": ROOM},
    "added_tokens_decoder with other switches": general(
        {"added_tokens": own({"id": 592, **token("[NEW]", special=False)})}, added_tokens_decoder=decoder((592, token("[NEW]", lstrip=True, single_word=True)))
    ) | {"config.json": ROOM},
    "added_tokens_decoder without the own ones": bert(added_tokens_decoder={"8": token("[MASK]")}),
    "added_tokens_decoder without switches": bert(added_tokens_decoder={"592": {"content": "[NEW]"}, "593": {"content": "[new]", "special": True}})
    | {"config.json": ROOM},
    "added_tokens.json": bert() | {"added_tokens.json": {"[NEW]": 592, "newword": 593}, "config.json": ROOM},
    "added_tokens.json, general": general() | {"added_tokens.json": {"[NEW]": 592, "newword": 593}, "config.json": ROOM},
    "added_tokens.json and a special token": bert(sep_token="[NEW]") | {"added_tokens.json": {"[NEW]": 592}, "config.json": ROOM},
    "added_tokens.json beside added_tokens_decoder": bert(added_tokens_decoder=decoder()) | {"added_tokens.json": {"[NEW]": 592}, "config.json": ROOM},
    "additional_special_tokens": bert(additional_special_tokens=["[NEW]", "[unused0]"]) | {"config.json": ROOM},
    "extra_special_tokens": bert(extra_special_tokens=["[NEW]", "[unused0]"]) | {"config.json": ROOM},
    "extra_special_tokens with names": bert(extra_special_tokens={"image_token": "[unused1]"}),
    "both lists": bert(additional_special_tokens=["[unused1]"], extra_special_tokens=["[unused0]"]),
    "special_tokens_map": bert(mask_token="[PAD]") | {
        "special_tokens_map.json": {
            "mask_token": token("[MASK]", lstrip=True), "cls_token": "[unused0]", "additional_special_tokens": ["[unused1]", "[NEW]"]
        },
        "config.json": ROOM,
    },
    "special_tokens_map, general": general(cls_token="[CLS]") | {
        "special_tokens_map.json": {"mask_token": "[unused2]", "additional_special_tokens": ["[unused1]"]},
    },
    "special_tokens_map beside added_tokens_decoder": bert(added_tokens_decoder=decoder()) | {
        "special_tokens_map.json": {"cls_token": "[unused0]", "additional_special_tokens": ["[unused1]"]},
    },
    "special_tokens_map with extra_special_tokens": bert(extra_special_tokens=["[unused0]"]) | {
        "special_tokens_map.json": {"extra_special_tokens": ["[unused1]"]},
    },
    "special_tokens_map with other settings": bert() | {"special_tokens_map.json": {"do_lower_case": False}},
    # Added tokens of tokenizer.json.
    "an added token in the vocabulary": bert() | {"tokenizer.json": {"added_tokens": own({"id": 1, **token("[unused0]", special=False)})}},
    "an added token behind it": bert() | {"tokenizer.json": {"added_tokens": own({"id": 592, **token("[NEW]")})}, "config.json": ROOM},
    "switches of added tokens": general({
        "added_tokens": own(
            {"id": 1, **token("[unused0]", rstrip=True)}, {"id": 2, **token("[unused1]", lstrip=True)},
            {"id": 3, **token("[unused2]", single_word=True)}, {"id": 592, **token("newword", normalized=True, special=False)},
        )
    }) | {"config.json": ROOM},
    "an added token without switches": bert() | {"tokenizer.json": {"added_tokens": own({"id": 1, "content": "[unused0]"})}},
    "an added token with another id": general({"added_tokens": own({"id": 595, **token("[NEW]")})}) | {"config.json": ROOM},
    "a hole in the vocabulary": bert() | {"tokenizer.json": {"model": {"vocab": {"[unused2]": None}}, "added_tokens": own({"id": 592, **token("[NEW]")})}, "config.json": ROOM},
    # Normalizers.
    "no normalizer": general({"normalizer": None}),
    "BertNormalizer, other switches": general({"normalizer": {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": True}}),
    "BertNormalizer without type": general({"normalizer": {"type": None, "lowercase": False}}),
    "BertNormalizer called Bert": general({"normalizer": {"type": "Bert", "lowercase": False}}),
    "BertNormalizer without strip_accents": general({"normalizer": {"strip_accents": None}}),
    "BertNormalizer without lowercase": general({"normalizer": {"lowercase": None}}),
    "BertNormalizer with an unknown field": general({"normalizer": {"more": 1, "lowercase": False}}),
    **{kind: general({"normalizer": {"type": kind, "clean_text": None, "handle_chinese_chars": None, "lowercase": None}})
       for kind in ["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"]},
    "Strip": general({"normalizer": {"type": "Strip", "strip_left": True, "strip_right": False, "clean_text": None, "handle_chinese_chars": None, "lowercase": None}}),
    "a sequence of normalizers": general({"normalizer": {
        "type": "Sequence", "clean_text": None, "handle_chinese_chars": None, "lowercase": None,
        "normalizers": [{"type": "NFD"}, {"type": "Sequence", "normalizers": [{"type": "StripAccents"}, {"type": "Lowercase"}]}],
    }}),
    "an empty sequence of normalizers": general({"normalizer": {
        "type": "Sequence", "clean_text": None, "handle_chinese_chars": None, "lowercase": None, "normalizers": [],
    }}),
    # Pre-tokenizers.
    "no pre-tokenizer": general({"pre_tokenizer": None}),
    "Whitespace": general({"pre_tokenizer": {"type": "Whitespace"}}),
    "WhitespaceSplit": general({"pre_tokenizer": {"type": "WhitespaceSplit"}}),
    "Punctuation": general({"pre_tokenizer": {"type": "Punctuation"}}),
    "a sequence of pre-tokenizers": general({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Removed"}]},
        {"type": "Digits", "individual_digits": True},
    ]}}),
    "a sequence under another name": general({"pre_tokenizer": {"type": "Sequence", "pre_tokenizers": [{"type": "WhitespaceSplit"}]}}),
    **{f"Punctuation {behavior}": general({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": behavior}]}})
       for behavior in ["Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]},
    "Digits": general({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, {"type": "Digits", "individual_digits": False}]}}),
    "Digits without its field": general({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, {"type": "Digits"}]}}),
    "FixedLength": general({"pre_tokenizer": {"type": "FixedLength", "length": 2}}),
    # Templates.
    "BertProcessing": general({"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 7], "cls": ["[CLS]", 6], "single": None, "pair": None, "special_tokens": None}}),
    "BertProcessing without type": general({"post_processor": {"type": None, "sep": ["[SEP]", 7], "cls": ["[CLS]", 6], "single": None, "pair": None, "special_tokens": None}}),
    "BertProcessing with other ids": general({"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 1], "cls": ["[CLS]", 2], "single": None, "pair": None, "special_tokens": None}}),
    "RobertaProcessing": general({"post_processor": {"type": "RobertaProcessing", "sep": ["[SEP]", 7], "cls": ["[CLS]", 6], "trim_offsets": True, "add_prefix_space": False, "single": None, "pair": None, "special_tokens": None}}),
    "a template without type": general({"post_processor": {"type": None}}),
    "a template of more tokens": general({"post_processor": template(special("[MASK]"), special("[CLS]"), TEXT, special("[SEP]"), CLS=[6], SEP=[7], MASK=[8, 1])}),
    "a template of strings": general({"post_processor": {"single": ["[CLS]:0", "$A:0", "[SEP]:0"]}}),
    "a template with an absent token": general({"post_processor": template(special("[ABSENT]"), TEXT, CLS=[6])}),
    "a template for pairs of its own": general({"post_processor": {"pair": []}}),
    "no template": general({"post_processor": None}),
    "a template of two texts": general({"post_processor": template(special("[CLS]"), TEXT, TEXT, CLS=[6])}),
    "a template of another type id": general({"post_processor": template({"SpecialToken": {"id": "[CLS]", "type_id": 1}}, TEXT, CLS=[6])}),
    # Cutting and filling up.
    "cut on the left": bert(truncation_side="left"),
    "cut on the left by tokenizer.json": bert() | {"tokenizer.json": {"truncation": {"direction": "Left"}}},
    "cut on the left by tokenizer.json, general": general({"truncation": {"direction": "Left"}}),
    "cut on the left by tokenizer.json, outranked": bert(truncation_side="right") | {"tokenizer.json": {"truncation": {"direction": "Left"}}},
    "cut without a direction": general({"truncation": {"direction": None}}),
    "a stride": bert() | {"tokenizer.json": {"truncation": {"stride": 3}}},
    "a strategy": bert() | {"tokenizer.json": {"truncation": {"strategy": "OnlySecond"}}},
    "filled up on the left": bert() | {"tokenizer.json": {"padding": {"direction": "Left"}}},
    "a length of calls": bert(max_length=5, stride=2, truncation_strategy="only_first", pad_to_multiple_of=7),
    "an old name of the length": {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "max_len": 9}},
    "split_special_tokens": bert(split_special_tokens=True),
    "split_special_tokens, general": general({"added_tokens": own({"id": 592, **token("newword", special=False)})}, split_special_tokens=True) | {"config.json": ROOM},
    # Fields that only other classes, or older versions, read.
    "fields without effect": bert(
        do_basic_tokenize=False, never_split=["oil"], wordpieces_prefix="@@", clean_text=False, add_prefix_space=True, add_bos_token=True,
        add_eos_token=True, clean_up_tokenization_spaces=True, name_or_path="x", special_tokens_map_file="x", model_input_names=["input_ids"],
        padding_side="right", backend="tokenizers", is_local=True, processor_class="x", chat_template="x", pad_token_type_id=3, max_word=2,
    ),
    "a list of tokenizer files": bert(fast_tokenizer_files=["tokenizer.json", "tokenizer.4.0.json"]) | {"tokenizer.4.0.json": None},
    "positional settings": bert(init_inputs=[{"a": 0}]),
}

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
])


def file(**parts) -> dict:
    return {"tokenizer.json": parts}


def settings(base: str, **fields) -> dict:
    """The settings of one of the small tokenizers, and others in their place."""
    own = json.loads((FIXTURES / "tokenizers" / base / "tokenizer_config.json").read_text("utf-8"))
    return {"tokenizer_config.json": {name: value for name, value in (own | fields).items() if value is not None}}


def bytes_behind(*first: dict, **flags: bool) -> dict:
    bytes_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return file(pre_tokenizer={"type": "Sequence", "pretokenizers": [*first, bytes_level | flags]})


def split(pattern: dict, behavior: str = "Isolated", invert: bool = False) -> dict:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def metaspace(**fields) -> dict:
    return {"type": "Metaspace", "replacement": "▁"} | fields


def words_of(pre_tokenizer: dict) -> dict:
    return settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast") | file(pre_tokenizer=pre_tokenizer)


def mapped(normalizer: dict | None) -> dict:
    return settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast") | file(normalizer=normalizer)


ROBERTA = {"type": "RobertaProcessing", "sep": ["[SEP]", 730], "cls": ["[CLS]", 729], "trim_offsets": True, "add_prefix_space": False}

# Which architecture has each of the small tokenizers.
BASES = {"modernbert": "modernbert", "roberta": "roberta", "xlm-roberta": "xlm-roberta", "mmbert": "modernbert", "distilbert-cased": "distilbert"}

# The same for the small tokenizers of the other kinds.
KINDS = {
    "modernbert": {
        "as it is": {},
        "the settings of another class": settings("modernbert", add_prefix_space=True, trim_offsets=False, do_lower_case=True, errors="strict"),
        "a space before the first word": file(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),
        "no words": file(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}),
        "words without saying": file(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": None}),
        "GPT-2": bytes_behind(split({"Regex": GPT2})),
        "cl100k": bytes_behind(split({"Regex": CL100K})),
        "cl100k, the other way round": bytes_behind(split({"Regex": CL100K}, "Removed", True)),
        "Qwen 2": bytes_behind(split({"Regex": QWEN2})),
        "o200k": bytes_behind(split({"Regex": O200K})),
        "another expression": bytes_behind(split({"Regex": "[a-m]+|[n-z]+"})),
        **{f"split at {pattern} {behavior}": bytes_behind(split({"Regex": pattern}, behavior))
           for pattern in [r"\s", r"\s+", " +", " {2,}", r"\d", r"\d+", r"\p{N}", r"\p{N}{1,3}", r"[\r\n]"] for behavior in ["Isolated"]},
        **{f"split at spaces, {behavior}": bytes_behind(split({"String": " "}, behavior))
           for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]},
        "digits apart": bytes_behind({"type": "Digits", "individual_digits": True}, use_regex=True),
        "trimmed": file(post_processor=ROBERTA | {"single": None, "pair": None, "special_tokens": None}),
        "trimmed before the template": file(post_processor={"type": "Sequence", "single": None, "pair": None, "special_tokens": None, "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template(special("[CLS]"), TEXT, CLS=[729]),
        ]}),
        "known words whole": file(model={"ignore_merges": True}),
        "no model type": file(model={"type": None}),
        "an unknown token": file(model={"unk_token": "[UNK]", "fuse_unk": True}),
        "no merges": file(model={"merges": []}),
        "a first token by its name": settings("modernbert", add_bos_token=True, bos_token="[CLS]"),
        "a last token by its name": settings("modernbert", add_bos_token=False, add_eos_token=True, eos_token="[SEP]"),
    },
    "roberta": {
        "as it is": {},
        "general": settings("roberta", tokenizer_class="PreTrainedTokenizerFast"),
        "a space before the first word": settings("roberta", add_prefix_space=True, tokenizer_class="RobertaTokenizerFast"),
        "a space before the first word, general": settings("roberta", add_prefix_space=True, tokenizer_class="TokenizersBackend"),
        "offsets with white space": settings("roberta", trim_offsets=False),
        "ends by their names": settings("roberta", add_bos_token=True, add_eos_token=False),
        "other ends": settings("roberta", cls_token="<mask>", sep_token="<pad>"),
        "nothing but the class": {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer"}},
        "components of its own": file(normalizer={"type": "Lowercase"}, pre_tokenizer={"type": "WhitespaceSplit"}, model={"unk_token": "<unk>"}),
    },
    "xlm-roberta": {
        "as it is": {},
        "general": settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast"),
        "nothing but the class": {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizerFast"}},
        "components of its own": file(pre_tokenizer=metaspace(prepend_scheme="always")),
        "Metaspace": words_of(metaspace(prepend_scheme="always")),
        "Metaspace, old": words_of(metaspace(add_prefix_space=True, str_rep="▁")),
        "Metaspace, old and never": words_of(metaspace(add_prefix_space=False)),
        **{f"Metaspace, {scheme}": words_of({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(prepend_scheme=scheme)]})
           for scheme in ["never", "first"]},
        "Metaspace, whole": words_of(metaspace(prepend_scheme="always", split=False)),
        "Metaspace, another mark": words_of(metaspace(replacement="_", prepend_scheme="first")),
        "runs of spaces": mapped({"type": "Sequence", "precompiled_charsmap": None, "normalizers": [
            {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}),
        "Nmt": mapped({"type": "Sequence", "precompiled_charsmap": None, "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}]}),
        "Prepend": mapped({"type": "Prepend", "prepend": "▁", "precompiled_charsmap": None}),
        "no normalizer": mapped(None),
        "another unknown token": settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast") | file(model={"unk_id": 5}),
        "no unknown token": settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast") | file(model={"unk_id": None}),
        "no model type": settings("xlm-roberta", tokenizer_class="PreTrainedTokenizerFast") | file(model={"type": None}),
        "ends by their names": settings("xlm-roberta", add_bos_token=True),
    },
    "mmbert": {
        "as it is": {},
        "GemmaTokenizer": settings("mmbert", tokenizer_class="GemmaTokenizerFast"),
        "GemmaTokenizer with a first token alone": settings("mmbert", tokenizer_class="GemmaTokenizer", add_bos_token=True, add_eos_token=False),
        "no bytes": file(model={"byte_fallback": False}),
        "no bytes, each unknown one apart": file(model={"byte_fallback": False, "fuse_unk": False}),
        "known words whole": file(model={"ignore_merges": True}, normalizer=None, pre_tokenizer={"type": "WhitespaceSplit"}),
        "a mark before the text": file(normalizer={"type": "Sequence", "pattern": None, "content": None, "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}),
        "spaces as they are": file(normalizer=None),
    },
    "distilbert-cased": {
        "as it is": {},
        "lower case, accents stay": settings("distilbert-cased", do_lower_case=True, strip_accents=False, tokenizer_class="BertTokenizer"),
        "cased without accents": settings("distilbert-cased", strip_accents=True, tokenizer_class="BertTokenizerFast"),
        "DistilBertTokenizerFast": settings("distilbert-cased", tokenizer_class="DistilBertTokenizerFast", tokenize_chinese_chars=False),
    },
}


def merge(value, patch):
    if not isinstance(patch, dict):
        return patch
    value = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None and key in value and not keeps_null(key):
            del value[key]
        elif change is None:
            value[key] = None
        else:
            value[key] = merge(value.get(key), change)
    return value


def keeps_null(key: str) -> bool:
    """Parts of tokenizer.json that are written as null where there are none."""
    return key in ("normalizer", "pre_tokenizer", "post_processor")


def folder_of(base: str | None, variant: dict, folder: Path) -> None:
    if base:
        shutil.copytree(FIXTURES / "tokenizers" / base, folder)
        (folder / "config.json").write_text(json.dumps({"model_type": BASES[base]}), "utf-8")
    else:
        shutil.copytree(FIXTURES / "plain" / "checkpoint", folder)
        for name in ["vocab.txt", "model.safetensors"]:
            (folder / name).unlink()
    for name, change in variant.items():
        path = folder / name
        if name in ("tokenizer.json", "config.json"):
            path.write_text(json.dumps(merge(json.loads(path.read_text("utf-8")), change)), "utf-8")
        elif change is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(json.dumps(change), "utf-8")


def expected(base: str | None, variant: dict) -> dict:
    """Ids of the texts and of the mask token; none where the library refuses the files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "checkpoint"
        folder_of(base, variant, folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(folder))
            length = min(LENGTH, tokenizer.model_max_length)
            encoded = tokenizer(TEXTS, truncation=True, max_length=length)["input_ids"]
            return {"ids": encoded, "mask": tokenizer.mask_token_id}
        # A panic in the tokenizers library is a BaseException.
        except BaseException as error:
            print(f"  {type(error).__name__}: {str(error)[:150]}")
            return {"ids": None}


def column(expected: dict, encodings: list) -> dict | None:
    """Ids by their place among all encodings: most variants have those of the checkpoint as it is."""
    if expected["ids"] is None:
        return None
    places = []
    for encoded in expected["ids"]:
        if encoded not in encodings:
            encodings.append(encoded)
        places.append(encodings.index(encoded))
    return {"encodings": places, "mask": expected["mask"]}


def main() -> None:
    kept = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {"variants": [], "reference": {}, "encodings": []}
    before = {variant["name"]: variant["expected"] for variant in kept["variants"]}
    encodings = kept["encodings"]
    variants = []
    kinds = [(base, f"{base}, {name}", files) for base, changes in KINDS.items() for name, files in changes.items()]
    for base, name, files in [(None, *variant) for variant in VARIANTS.items()] + kinds:
        print(name)
        columns = before.get(name, {}) | {library(): column(expected(base, files), encodings)}
        body = {"name": name, "files": files, "expected": dict(sorted(columns.items()))}
        variants.append(body | ({"base": base} if base else {}))
    reference = kept["reference"] | {library(): {name: version(name) for name in ("transformers", "tokenizers")}}
    body = {"reference": dict(sorted(reference.items())), "length": LENGTH, "texts": TEXTS, "encodings": encodings, "variants": variants}
    OUT.write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
