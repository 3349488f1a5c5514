"""Another side of `make native`: encodes the same texts again each time that it is told to.

    python peer.py torch CHECKPOINT TEXTS THREADS
    python peer.py MODEL.onnx CHECKPOINT TEXTS THREADS

TEXTS is a JSON array. Each line of stdin is answered by one of JSON: the milliseconds that it took, how many embeddings came out, and
the first text's. Texts are encoded longest first, some at a time, as sentence-transformers does, so that little is padded.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import AutoModel, AutoTokenizer

# sentence-transformers' own.
BATCH = 32


def torch_model(folder, threads):
    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(folder).eval()

    def embeddings(inputs):
        with torch.inference_mode():
            hidden = model(**{name: torch.from_numpy(values) for name, values in inputs.items()}).last_hidden_state
            return torch.nn.functional.normalize(hidden, dim=-1).numpy()

    return embeddings


def onnx_model(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}

    def embeddings(inputs):
        (hidden,) = session.run(None, {name: values for name, values in inputs.items() if name in wanted})
        return hidden / np.linalg.norm(hidden, axis=-1, keepdims=True)

    return embeddings


def encode(tokenizer, longest, model, texts):
    """The embeddings of each text."""
    encoded = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    for first in range(0, len(order), BATCH):
        places = order[first : first + BATCH]
        batch = tokenizer(
            [texts[place] for place in places], padding=True, truncation=True, max_length=longest, return_tensors="np"
        )
        rows = model(dict(batch))
        for place, row, mask in zip(places, rows, batch["attention_mask"]):
            encoded[place] = row[: mask.sum()]
    return encoded


def main():
    what, folder, texts, threads = sys.argv[1:]
    model = torch_model(folder, int(threads)) if what == "torch" else onnx_model(what, int(threads))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = json.loads((Path(folder) / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
    texts = json.loads(Path(texts).read_text("utf-8"))
    for _ in sys.stdin:
        start = time.perf_counter()
        encoded = encode(tokenizer, longest, model, texts)
        milliseconds = (time.perf_counter() - start) * 1e3
        answer = {"ms": milliseconds, "embeddings": sum(map(len, encoded)), "first": encoded[0].ravel().tolist()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
