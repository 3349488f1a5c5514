"""Trains the small tokenizers of `tests/fixtures/tokenizers/`: one of each kind that checkpoints have, in the shape of their files.

The vocabularies come from the repository's own texts; a second run writes the same bytes. `folder/tokenizer.json` and
`folder/tokenizer_config.json` are copied into checkpoints by the other scripts.
"""

import json
import tempfile
from pathlib import Path
from string import punctuation

import sentencepiece
from make_fixtures import FIXTURES
from sentencepiece import sentencepiece_model_pb2
from tiny import CORPUS, vocabulary
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = FIXTURES / "tokenizers"
SCRIPTS = FIXTURES.parent / "data" / "scripts.json"
PARAGRAPHS = 400
BYTE_LEVEL = 700
CHARACTERS = 800
UNIGRAM = 900
# Scripts whose characters the vocabulary of characters has not: they become bytes.
BYTES_ALONE = ("Tamil", "Thai", "Georgian", "Armenian", "Ethiopic")
META = "▁"


def texts(without: tuple[str, ...] = ()) -> list[str]:
    """English paragraphs, and the other scripts often enough that some of their words become tokens."""
    lines = CORPUS.read_text("utf-8").splitlines()[:PARAGRAPHS]
    english = [json.loads(line)["text"] for line in lines]
    scripts = json.loads(SCRIPTS.read_text("utf-8"))
    others = [text for name in scripts if name not in without for text in scripts[name]]
    return english + 20 * others


def special(content: str, **flags: bool) -> AddedToken:
    return AddedToken(content, special=True, normalized=False, **flags)


def plain(content: str, normalized: bool) -> AddedToken:
    return AddedToken(content, special=False, normalized=normalized)


def byte_level() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges over bytes; ids from 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=BYTE_LEVEL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def template(first: str, last: str, ids: Tokenizer, types: int = 0) -> processors.TemplateProcessing:
    pair = f"{first}:0 $A:0 {last}:0 $B:{types} {last}:{types}"
    return processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0", pair=pair, special_tokens=[(token, ids.token_to_id(token)) for token in (first, last)]
    )


def modernbert() -> tuple[Tokenizer, dict]:
    """As ModernBERT and Ettin: an older vocabulary's added tokens, runs of spaces among them, and BERT's behind it."""
    vocab, merges = byte_level()
    names = ["|||IP_ADDRESS|||", "<|padding|>"]
    ids = {name: id for id, name in enumerate(names)} | {token: id + len(names) for token, id in vocab.items()}
    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    spaces = [plain(" " * count, normalized=True) for count in range(24, 1, -1)]
    tokenizer.add_tokens([plain(names[0], normalized=True), special(names[1])])
    tokenizer.add_tokens([*spaces, plain("|||EMAIL_ADDRESS|||", True), plain("|||PHONE_NUMBER|||", True), special("<|endoftext|>")])
    tokenizer.add_tokens([special(f"[{name}]", lstrip=name == "MASK") for name in ("UNK", "CLS", "SEP", "PAD", "MASK")])
    tokenizer.add_tokens([plain(f"[unused{index}]", normalized=True) for index in range(4)])
    tokenizer.post_processor = template("[CLS]", "[SEP]", tokenizer)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")}
    return tokenizer, names | {
        "added_tokens_decoder": decoder(tokenizer), "clean_up_tokenization_spaces": True, "extra_special_tokens": {},
        "model_input_names": ["input_ids", "attention_mask"], "model_max_length": 8192, "tokenizer_class": "PreTrainedTokenizerFast",
    }


def roberta() -> tuple[Tokenizer, dict]:
    vocab, merges = byte_level()
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    ids = {name: id for id, name in enumerate(first)} | {token: id + len(first) for token, id in vocab.items()}
    ids["<mask>"] = len(ids)
    tokenizer = Tokenizer(models.BPE(ids, merges, continuing_subword_prefix="", end_of_word_suffix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    for name in [*first, "<mask>"]:
        token = AddedToken(name, special=True, normalized=True, lstrip=name == "<mask>")
        tokenizer.add_special_tokens([token])
    return tokenizer, {
        "add_prefix_space": False, "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "errors": "replace", "mask_token": "<mask>",
        "model_max_length": 512, "pad_token": "<pad>", "sep_token": "</s>", "tokenizer_class": "RobertaTokenizer", "trim_offsets": True,
        "unk_token": "<unk>",
    }


def mmbert() -> tuple[Tokenizer, dict]:
    """As Gemma 2's, and mmBERT's after it: merges over characters, with bytes for those that are not in the vocabulary."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", META)
    trained.pre_tokenizer = pre_tokenizers.Split(META, "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=CHARACTERS, initial_alphabet=list(punctuation), show_progress=False)
    trained.train_from_iterator(texts(BYTES_ALONE), trainer)
    model = json.loads(trained.to_str())["model"]
    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[@BOS@]", "<unused0>", "<unused1>"]
    runs = ["\n", "\n\n", META * 2, META * 3, META * 4, "<table>", "</table>"]
    tokens = [*names, *runs, *(f"<0x{byte:02X}>" for byte in range(256)), *model["vocab"], META]
    ids = {token: id for id, token in enumerate(dict.fromkeys(tokens))}
    merges = [(META, META), (META * 2, META), (META * 2, META * 2), ("\n", "\n"), *map(tuple, model["merges"])]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", META)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([special(name) for name in names[:5]])
    tokenizer.add_tokens([plain(name, normalized=False) for name in [*names[5:], *runs]])
    tokenizer.post_processor = template("<bos>", "<eos>", tokenizer)
    return tokenizer, {
        "added_tokens_decoder": decoder(tokenizer), "additional_special_tokens": [], "bos_token": "<bos>", "clean_up_tokenization_spaces": False,
        "cls_token": "<bos>", "eos_token": "<eos>", "mask_token": "<mask>", "model_max_length": 8192, "pad_token": "<pad>", "sep_token": "<eos>",
        "spaces_between_special_tokens": False, "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>",
    }


def xlm_roberta() -> tuple[Tokenizer, dict]:
    """As XLM-RoBERTa's, converted from a sentencepiece model: its first three tokens make room for four."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(trained_unigram())
    pieces = [(piece.piece, piece.score) for piece in proto.pieces[3:]]
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(META, "always")])
    tokenizer.decoder = decoders.Metaspace(META, "always")
    tokenizer.add_special_tokens([special(name, lstrip=name == "<mask>") for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")])
    pair = "<s> $A </s> </s> $B </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer, {
        "added_tokens_decoder": decoder(tokenizer), "bos_token": "<s>", "clean_up_tokenization_spaces": True, "cls_token": "<s>",
        "eos_token": "</s>", "mask_token": "<mask>", "model_max_length": 512, "pad_token": "<pad>", "sep_token": "</s>",
        "tokenizer_class": "XLMRobertaTokenizer", "unk_token": "<unk>",
    }


def trained_unigram() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        prefix = str(Path(folder) / "model")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts()), model_prefix=prefix, model_type="unigram", vocab_size=UNIGRAM, character_coverage=0.999,
            required_chars=punctuation, normalization_rule_name="nmt_nfkc", num_threads=1, minloglevel=2,
        )
        return Path(prefix + ".model").read_bytes()


def distilbert_cased() -> tuple[Tokenizer, dict]:
    """Cased, so that accents stay as well."""
    ids = {token: id for id, token in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([special(f"[{name}]") for name in ("PAD", "UNK", "CLS", "SEP", "MASK")])
    tokenizer.post_processor = template("[CLS]", "[SEP]", tokenizer, types=1)
    return tokenizer, {
        "cls_token": "[CLS]", "do_lower_case": False, "mask_token": "[MASK]", "model_max_length": 512, "pad_token": "[PAD]",
        "sep_token": "[SEP]", "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "DistilBertTokenizer",
        "unk_token": "[UNK]",
    }


def decoder(tokenizer: Tokenizer) -> dict:
    """`added_tokens_decoder` as transformers writes it."""
    flags = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    tokens = tokenizer.get_added_tokens_decoder()
    return {str(id): {flag: getattr(tokens[id], flag) for flag in flags} for id in sorted(tokens)}


def write(name: str, tokenizer: Tokenizer, config: dict) -> None:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    body = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(name, tokenizer.get_vocab_size(), (folder / "tokenizer.json").stat().st_size)


def main() -> None:
    write("modernbert", *modernbert())
    write("roberta", *roberta())
    write("mmbert", *mmbert())
    write("xlm-roberta", *xlm_roberta())
    write("distilbert-cased", *distilbert_cased())


if __name__ == "__main__":
    main()
