"""The texts that every case encodes, once as queries and once as documents.

Each one aims at a place where tokenizers and loaders differ; the comment above a group names it.
"""

from string import ascii_lowercase, digits

LETTERS = ascii_lowercase + digits

TEXTS = [
    # Nothing to encode.
    "",
    " \t\n ",
    # Plain.
    "water",
    "When did the oil crisis begin?",
    "The crisis began in October, when the members of the group proclaimed an embargo.",
    # Far beyond every length.
    "In the first year of the war, the price of oil rose; later the government of the city asked "
    "that people use less of it at home and at work, and most of the states did so until the end "
    "of that year, which was later called the first shock of its kind, with many effects.",
    # Other scripts, in and out of the vocabulary.
    "Αθήνα: ΟΔΟΣ ΛΟΓΟΣ, Москва и Ёлка",
    "北京是中国的首都。東京 서울 ガ",
    "القاهرة עברית हिन्दी",
    # Accents, composed and decomposed; letters whose lower case has another length.
    "Café naïve Ångström Ñandú Übergröße İstanbul ǅ",
    "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m N\u0303andu\u0301 U\u0308bergro\u0308ße I\u0307stanbul",
    # Emoji: joined family, skin tone, flag, variation selector; other planes.
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 🇫🇷 ❤\ufe0f hello 👍",
    "𝔘𝔫𝔦 𠮷野家 water",
    # Punctuation only.
    "?!... --- «»“”—$+~^`|",
    # Special tokens of the tokenizer, written in the text.
    "the oil [SEP] of [MASK] the [CLS] city [PAD] and [UNK] war",
    "[CLS] water [SEP]",
    "[MASK]",
    "a[SEP]b[sep]c [Mask] [ SEP ]",
    # Markers, in the spellings of the several layouts.
    "[unused0] [unused1] oil [UNUSED0] [unused2]x",
    "[Q] oil [D] war [q] city [d] x[Q] y",
    "query: oil [QueryMarker] passage: war [DocumentMarker]",
    "oil [Q] ",
    # Control and invisible characters.
    "the\noil\tof\rthe\x00city\x07 wa\u200bter \ufeffwar \u00adhome a\u00a0b\u3000c\u2028d\x85e\x1cf",
    # White space at the ends.
    "\u3000 \x1c oil  and   water\u00a0\n",
    # Words at and beyond the longest that is cut into pieces.
    "a" * 100 + " b",
    "a" * 101 + " b",
    "water" * 60,
    # Digits, numbers, compatibility forms.
    "1,234.56 in 1973-10-31 007 ½ Ⅷ ² ①",
    "ＦＵＬＬ ﬁne № ™ ǆ",
    "State-of-the-art people's E-MAIL: x@example.com/a_b#c",
]

# Texts whose hidden states are kept; all others keep embeddings only, for size.
HIDDEN = [0, 2, 3, 5, 11, 14]

# What a body can get wrong: nothing to encode, few tokens, more than fit, other scripts, special tokens and markers in the text.
FEW = [TEXTS[i] for i in (0, 2, 3, 4, 5, 6, 9, 11, 14, 19, 20, 23)] + ["the <s> oil <pad> of <mask> the </s> war <unk>"]
FEW_HIDDEN = [4]


def with_limits(texts: list[str], fitting: int) -> list[str]:
    """The texts, and three of single-token words: one token short of `fitting`, exact, one over."""
    return texts + [" ".join(LETTERS[:count]) for count in (fitting - 1, fitting, fitting + 1)]
