"""Makes the demo's page image and what stands for its patches' embeddings: `www/public/page/`; and the reference's similarity maps of them.

No vision model takes part. A patch has the mean of the vectors of the words that are printed in it, by how much of it each covers, and a blank one has
zeros: the vectors are all-MiniLM-L6-v2's of the words in their paragraphs, in the 128 directions in which those of this page differ most. So a match is one of
words, and what is shown is where on a page it lies. The text is of SQuAD's paragraphs, as they stand in `tests/data/squad-dev-a`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sentence_transformers.multi_vector_encoder.interpretability import maxsim_similarity_map
from transformers import AutoModel, AutoTokenizer

from make_fixtures import FIXTURES, pinned_versions
from record import compact, float32

ROOT = FIXTURES.parent.parent
sys.path.append(str(ROOT / "examples" / "python"))
from tabrank_vectors import compress, decompress, write_list  # noqa: E402

MODEL, CORPUS, OUT = ROOT / "models/all-MiniLM-L6-v2", ROOT / "tests/data/squad-dev-a/corpus.jsonl", ROOT / "www/public/page"

PATCH, ROWS, COLUMNS = 42, 29, 22
WIDTH, HEIGHT, MARGIN = COLUMNS * PATCH, ROWS * PATCH, 66
DIMENSION = 128
# A heading or a paragraph of the corpus, and the size of its letters.
BLOCKS = [
    ("Nikola Tesla", 44),
    ("Nikola_Tesla-27", 19),
    ("Nikola_Tesla-28", 19),
    ("Experiments", 28),
    ("Nikola_Tesla-33", 19),
    ("Nikola_Tesla-43", 19),
    ("Nikola_Tesla-58", 19),
    ("Later life", 28),
    ("Nikola_Tesla-70", 19),
    ("Nikola_Tesla-72", 19),
    ("Nikola_Tesla-91", 19),
]
QUESTIONS = [
    "What did he do for injured pigeons?",
    "Which magazine had Tesla on its cover?",
    "When did he become a citizen of the United States?",
    "Who gave money for a lighting system?",
]


def texts() -> list[tuple[str, int]]:
    corpus = {record["id"]: record["text"] for record in map(json.loads, CORPUS.read_text("utf-8").splitlines())}
    found = [(corpus.get(block, block), size) for block, size in BLOCKS]
    assert all(text.isascii() for text, _ in found), "the font has no other letters"
    return found


def place(draw: ImageDraw.ImageDraw) -> list[list[tuple[int, int, tuple]]]:
    """Prints the blocks; of each word its range in the block's text and its box."""
    y, blocks = MARGIN, []
    for text, size in texts():
        font = ImageFont.load_default(size)
        x, line, words, start = MARGIN, size * 1.42, [], 0
        for word in text.split(" "):
            width = draw.textlength(word, font)
            if x + width > WIDTH - MARGIN:
                x, y = MARGIN, y + line
            draw.text((x, y), word, fill=30, font=font)
            words.append((start, start + len(word), (x, y, x + width, y + size * 1.2)))
            x, start = x + width + draw.textlength(" ", font), start + len(word) + 1
        blocks.append(words)
        y += line + size * 0.55
    assert y < HEIGHT - MARGIN / 2, f"the page ends at {HEIGHT}, and its text at {y}"
    return blocks


class Words:
    """all-MiniLM-L6-v2, a unit vector a token."""

    def __init__(self) -> None:
        self.tokenizer, self.model = AutoTokenizer.from_pretrained(MODEL), AutoModel.from_pretrained(MODEL).eval()

    def tokens(self, text: str) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Without the special ones."""
        inputs = self.tokenizer(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
        offsets, special = inputs.pop("offset_mapping")[0], inputs.pop("special_tokens_mask")[0].bool()
        with torch.no_grad():
            hidden = torch.nn.functional.normalize(self.model(**inputs).last_hidden_state[0], dim=-1)
        return offsets[~special].tolist(), hidden[~special].numpy()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def overlap(box: tuple, row: int, column: int) -> float:
    """Pixels of a patch that a word covers; a sliver does not count."""
    left, top = column * PATCH, row * PATCH
    across, down = min(box[2], left + PATCH) - max(box[0], left), min(box[3], top + PATCH) - max(box[1], top)
    area = max(across, 0) * max(down, 0)
    return area if area > PATCH**2 / 8 else 0.0


def patches(blocks: list, model: Words) -> np.ndarray:
    """[ROWS, COLUMNS, hidden]"""
    grid = np.zeros((ROWS, COLUMNS, model.model.config.hidden_size), np.float32)
    for (text, _), words in zip(texts(), blocks):
        offsets, vectors = model.tokens(text)
        for start, end, box in words:
            own = [vector for (begin, stop), vector in zip(offsets, vectors) if begin < end and stop > start]
            if not own:
                continue
            vector = unit(np.mean(own, axis=0))
            for row in range(int(box[1]) // PATCH, int(box[3]) // PATCH + 1):
                for column in range(int(box[0]) // PATCH, int(box[2]) // PATCH + 1):
                    grid[row, column] += overlap(box, row, column) * vector
    return unit(grid)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    image = Image.new("L", (WIDTH, HEIGHT), 252)
    blocks, model = place(ImageDraw.Draw(image)), Words()
    grid = patches(blocks, model).reshape(ROWS * COLUMNS, -1)
    directions = np.linalg.svd(grid, full_matrices=False)[2][:DIMENSION].T
    page = unit(grid @ directions).astype(np.float32)
    asked = [model.tokens(question) for question in QUESTIONS]
    queries = [unit(vectors @ directions).astype(np.float32) for _, vectors in asked]

    OUT.mkdir(parents=True, exist_ok=True)
    image.quantize(16).save(OUT / "page.png", optimize=True)
    (OUT / "page.safetensors").write_bytes(write_list([page], "int8", grid=[[ROWS, COLUMNS]], page=[[WIDTH, HEIGHT]]))
    (OUT / "questions.safetensors").write_bytes(write_list(queries, "f32"))
    spelled = [[question[begin:end] for begin, end in offsets] for question, (offsets, _) in zip(QUESTIONS, asked)]
    told = [{"text": question, "tokens": tokens} for question, tokens in zip(QUESTIONS, spelled)]
    (OUT / "questions.json").write_text(compact(told) + "\n", "utf-8")

    stored = torch.from_numpy(decompress("int8", compress("int8", page), DIMENSION))
    maps = [maxsim_similarity_map(torch.from_numpy(query), stored, (COLUMNS, ROWS)) for query in queries]
    expected = {
        "reference": pinned_versions("requirements.txt") | pinned_versions("requirements-pages.txt"),
        # Of each token the patch that is most similar, and how similar; of each question the map of its last token.
        "best": [[[*divmod(int(one.argmax()), COLUMNS), float32(one.max())] for one in of_question] for of_question in maps],
        "last": [[round(value, 4) for value in of_question[-1].flatten().tolist()] for of_question in maps],
    }
    (FIXTURES / "demo_page.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
