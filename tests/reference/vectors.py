"""Writes lists of embeddings in every codec by examples/python/tabrank_vectors.py, and what they hold: `tests/fixtures/vectors/`; and lists of PyLate's embeddings of
the case `pylate` with their scores, decompressed first: `tests/fixtures/vectors/pylate/`.

Each file is read back by the safetensors library, and what that library writes of it by the example's reader.
"""

import json
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from make_fixtures import FIXTURES, pinned_versions
from record import compact, float32

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "python"))
from tabrank_vectors import TYPES, Residual, compress, decompress, from_json, read_container, read_list, to_json, write_list  # noqa: E402

# No multiple of 8, so that the last byte of binary rows is filled up; times 2 bits it is one.
DIMENSION, NBITS, CENTROIDS = 20, 2, 5
LENGTHS = [3, 0, 5, 1]
QUERY, DOCUMENTS = 3, [2, 3, 4, 5, 6, 7, 8, 11, 13, 14]
OUT = FIXTURES / "vectors"
EMBEDDING_ID = "v1-00112233445566778899aabbccddeeff"


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def floats(rows) -> list[float]:
    return [float32(value) for value in rows.flatten().tolist()]


def residual_codec(random) -> Residual:
    centroids = unit(random.standard_normal((CENTROIDS, DIMENSION)))
    return Residual(centroids, [-0.15, 0.0, 0.15], [-0.25, -0.07, 0.08, 0.24], random.random(DIMENSION), EMBEDDING_ID)


def documents_of(random) -> list[np.ndarray]:
    """Among them a row of zeros, one that is shorter than 1, and codes of int8 that end in a half."""
    documents = [unit(random.standard_normal((length, DIMENSION))) for length in LENGTHS]
    documents[0][1] = 0
    documents[0][2] *= 0.5
    documents[2][0] = 0
    documents[2][0, :5] = np.float32([127, 0.5, -0.5, 1.5, -2.5]) / 127
    documents[2][1, :4] = [0.3, -0.0, 1e-8, -1e-8]
    return documents


def check(data: bytes, residual: Residual, documents: list[np.ndarray]) -> list[dict]:
    """Reads a list back, by the library too, and each of its documents by way of JSON."""
    metadata, tensors = read_container(data)
    start = np.frombuffer(data, np.uint8).ctypes.data
    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with safe_open(file.name, "numpy") as found:
            assert found.metadata() == metadata
            assert sorted(found.keys()) == sorted(tensors)
            for name, tensor in tensors.items():
                assert found.get_tensor(name).tobytes() == tensor.tobytes()
                assert (tensor.ctypes.data - start) % tensor.itemsize == 0
    _, listed = read_list(data)
    _, theirs = read_list(save({name: tensor.copy() for name, tensor in tensors.items()}, metadata))
    for arrays, same in zip(listed, theirs):
        assert all(same[name].tobytes() == array.tobytes() for name, array in arrays.items())
    codec = metadata["codec"]
    records = [to_json(arrays, codec, DIMENSION, EMBEDDING_ID, metadata.get("codecId")) for arrays in listed]
    for arrays, record, rows in zip(listed, records, documents):
        again = from_json(json.loads(json.dumps(record)), NBITS)
        assert all(again[name].tobytes() == arrays[name].tobytes() for name in arrays)
        expected = compress(codec, rows, residual)
        assert all(expected[name].astype(array.dtype).tobytes() == array.tobytes() for name, array in arrays.items())
    return records


def of_pylate() -> None:
    """Documents that tests/web/lib/tiny.mjs takes too; the second one brings nothing along."""
    folder = OUT / "pylate"
    folder.mkdir(exist_ok=True)
    with safe_open(FIXTURES / "pylate" / "expected.safetensors", "numpy") as file:
        query = file.get_tensor(f"query.{QUERY}.embeddings").astype(np.float64)
        documents = [file.get_tensor(f"document.{place}.embeddings") for place in DOCUMENTS]
    documents[1] = documents[1][:0]
    rows = np.concatenate(documents)
    spread = np.quantile(rows - rows[:CENTROIDS][(rows @ rows[:CENTROIDS].T).argmax(axis=1)], np.linspace(0, 1, 9))
    residual = Residual(rows[:CENTROIDS], spread[2:-1:2], spread[1::2])
    (folder / "codec.safetensors").write_bytes(residual.write())
    scores = {}
    for codec in TYPES:
        data = write_list(documents, codec, residual if codec == "residual" else None)
        (folder / f"{codec}.safetensors").write_bytes(data)
        decoded = [decompress(codec, arrays, documents[0].shape[1], residual).astype(np.float64) for arrays in read_list(data)[1]]
        scores[codec] = [float32((query @ rows.T).max(axis=1).sum()) if len(rows) else None for rows in decoded]
    (folder / "expected.json").write_text(compact({"codecId": residual.id, "scores": scores}) + "\n", "utf-8")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    of_pylate()
    random = np.random.default_rng(12)
    residual, documents = residual_codec(random), documents_of(random)
    (OUT / "codec.safetensors").write_bytes(residual.write())
    assert Residual.read(residual.write()).id == residual.id
    expected = {"reference": pinned_versions("requirements.txt"), "codecId": residual.id, "embeddingId": EMBEDDING_ID, "dimension": DIMENSION, "lengths": LENGTHS, "lists": {}}
    expected["values"] = [floats(rows) for rows in documents]
    for codec in TYPES:
        data = write_list(documents, codec, residual if codec == "residual" else None, EMBEDDING_ID)
        (OUT / f"{codec}.safetensors").write_bytes(data)
        decoded = [decompress(codec, arrays, DIMENSION, residual).astype(np.float32) for arrays in read_list(data)[1]]
        expected["lists"][codec] = {"documents": check(data, residual, documents), "decompressed": [floats(rows) for rows in decoded]}
    (OUT / "expected.json").write_text(compact(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
