"""Lists of document embeddings as Tabrank's pages read them, written and read with numpy alone: docs/vectors.md, step by step.

    from tabrank_vectors import write_list

    documents = model.encode_document(texts)  # arrays of [tokens, dimension]
    body = write_list(documents, "int8", embedding_id="v1-…")  # what a backend sends

`python tabrank_vectors.py FILE` tells what a list holds.
"""

import base64
import hashlib
import json
import struct
import sys

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "|i1", "U8": "|u1", "U32": "<u4", "BOOL": "|u1"}


# --- the container: safetensors ---


def write_container(metadata, tensors):
    """`tensors`: by name, a type of DTYPES and an array. The widest numbers come first, so that each tensor begins at a multiple of its number's size."""
    ordered = sorted(tensors.items(), key=lambda item: -np.dtype(DTYPES[item[1][0]]).itemsize)
    header, parts, end = {"__metadata__": {key: str(value) for key, value in metadata.items() if value is not None}}, [], 0
    for name, (dtype, array) in ordered:
        data = np.ascontiguousarray(array, DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + len(data)]}
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def read_container(data):
    """The metadata, and views of the tensors, but for those of types that lists do not have."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(bytes(data[8 : 8 + length]))
    metadata = header.pop("__metadata__", {})
    body = memoryview(data)[8 + length :]
    tensors = {}
    for name, tensor in header.items():
        start, end = tensor["data_offsets"]
        if tensor["dtype"] not in DTYPES:
            continue
        tensors[name] = np.frombuffer(body[start:end], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return metadata, tensors


# --- codecs: rows of float32, [tokens, dimension], and the arrays that stand for them ---


class Residual:
    """The residual codec of ColBERTv2 and PLAID: [K, dimension] centroids, 2^nbits - 1 cutoffs and 2^nbits weights."""

    def __init__(self, centroids, cutoffs, weights, average=None, embedding_id=None):
        self.centroids, self.cutoffs, self.weights = (np.ascontiguousarray(table, "<f4") for table in (centroids, cutoffs, weights))
        self.average = np.zeros(self.centroids.shape[1], "<f4") if average is None else np.ascontiguousarray(average, "<f4")
        self.nbits = len(self.weights).bit_length() - 1
        self.embedding_id = embedding_id

    @classmethod
    def read(cls, data):
        metadata, tensors = read_container(data)
        if metadata.get("format") != "tabrank-codec" or metadata.get("version") != "1":
            raise ValueError("not a codec's file of version 1")
        tables = (tensors[name] for name in ("centroids", "bucket_cutoffs", "bucket_weights", "avg_residual"))
        return cls(*tables, embedding_id=metadata.get("embeddingId"))

    def write(self):
        metadata = {"format": "tabrank-codec", "version": "1", "nbits": self.nbits, "embeddingId": self.embedding_id}
        tables = {"centroids": self.centroids, "bucket_cutoffs": self.cutoffs, "bucket_weights": self.weights, "avg_residual": self.average}
        return write_container(metadata, {name: ("F32", table) for name, table in tables.items()})

    @property
    def id(self):
        sizes = struct.pack("<III", self.centroids.shape[1], self.nbits, len(self.centroids))
        tables = b"".join(table.tobytes() for table in (self.centroids, self.cutoffs, self.weights))
        return "r1-" + hashlib.sha256(sizes + tables).hexdigest()[:32]

    def compress(self, rows):
        codes = (rows @ self.centroids.T).argmax(axis=1).astype("<u4")
        # How many cutoffs lie strictly below.
        buckets = np.searchsorted(self.cutoffs, rows - self.centroids[codes], side="left")
        # Bits 0 to nbits - 1 of each bucket, into bytes from bit 7 down.
        bits = buckets[..., None] >> np.arange(self.nbits) & 1
        return {"codes": codes, "residuals": np.packbits(bits.reshape(len(rows), rows.shape[1] * self.nbits).astype(np.uint8), axis=1)}

    def decompress(self, codes, residuals):
        bits = np.unpackbits(residuals, axis=1).reshape(len(codes), self.centroids.shape[1], self.nbits).astype(int)
        rows = self.centroids[codes] + self.weights[(bits << np.arange(self.nbits)).sum(axis=2)]
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def compress(codec, rows, residual=None):
    """The arrays that stand for rows, by the names that they have in the file."""
    rows = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("a number is not finite")
    if codec == "f32":
        return {"embeddings": rows}
    if codec == "f16":
        return {"embeddings": rows.astype(np.float16)}
    if codec == "int8":
        scales = np.abs(rows).max(axis=1, initial=0) / np.float32(127)
        ratio = np.divide(rows, scales[:, None], out=np.zeros_like(rows), where=scales[:, None] > 0)
        # Halves go away from zero, where np.rint takes them to the even neighbour. In 64 bits the sum is exact.
        codes = np.clip(np.trunc(ratio + np.copysign(0.5, ratio.astype(np.float64))), -127, 127)
        return {"embeddings": codes.astype(np.int8), "scales": scales}
    if codec == "binary":
        return {"embeddings": np.packbits(rows > 0, axis=1)}
    if codec == "residual":
        return residual.compress(rows)
    raise ValueError(f"{codec!r} is no codec")


def decompress(codec, arrays, dimension, residual=None):
    if codec in ("f32", "f16"):
        return arrays["embeddings"].astype(np.float32)
    if codec == "int8":
        return arrays["embeddings"].astype(np.float32) * arrays["scales"][:, None]
    if codec == "binary":
        bits = np.unpackbits(arrays["embeddings"], axis=1)[:, :dimension]
        return np.where(bits == 1, 1, -1).astype(np.float32) / np.float32(np.sqrt(np.float32(dimension)))
    if codec == "residual":
        return residual.decompress(arrays["codes"], arrays["residuals"])
    raise ValueError(f"{codec!r} is no codec")


# --- lists ---

TYPES = {
    "f32": {"embeddings": "F32"},
    "f16": {"embeddings": "F16"},
    "int8": {"embeddings": "I8", "scales": "F32"},
    "binary": {"embeddings": "U8"},
    "residual": {"codes": "U32", "residuals": "U8"},
}


def write_list(documents, codec="int8", residual=None, embedding_id=None, token_pooling=None, grid=None, page=None, dimension=None):
    """The bytes of a list. A document without rows is one that brings no embeddings; of no documents at all `dimension` is the width."""
    dimension = dimension or documents[0].shape[1]
    lengths = np.array([len(rows) for rows in documents], "<u4")
    arrays = compress(codec, np.concatenate([np.empty((0, dimension), np.float32), *documents]), residual)
    tensors = {"lengths": ("U32", lengths)}
    if grid is not None:
        tensors |= {"grid": ("U32", np.asarray(grid)), "page": ("F32", np.asarray(page))}
    tensors |= {name: (dtype, arrays[name]) for name, dtype in TYPES[codec].items()}
    metadata = {
        "format": "tabrank-embeddings",
        "version": "1",
        "codec": codec,
        "dimension": dimension,
        "embeddingId": embedding_id,
        "codecId": residual and residual.id,
        "tokenPooling": token_pooling,
        "writer": "tabrank_vectors.py",
    }
    return write_container(metadata, tensors)


def read_list(data):
    """The metadata, and each document's arrays: views of `data`."""
    metadata, tensors = read_container(data)
    if metadata.get("format") != "tabrank-embeddings" or metadata.get("version") != "1":
        raise ValueError("not a list of embeddings of version 1")
    ends = np.cumsum(tensors["lengths"], dtype=np.int64)
    starts = ends - tensors["lengths"]
    names = TYPES[metadata["codec"]]
    return metadata, [{name: tensors[name][start:end] for name in names} for start, end in zip(starts, ends)]


def to_json(arrays, codec, dimension, embedding_id=None, codec_id=None):
    """One document's arrays as a record for JSON."""
    record = {"codec": codec, "dimension": dimension, "embeddingId": embedding_id, "codecId": codec_id}
    record |= {name: base64.b64encode(np.ascontiguousarray(array).tobytes()).decode() for name, array in arrays.items()}
    return {key: value for key, value in record.items() if value is not None}


def from_json(record, nbits=None):
    """The arrays of a record. `nbits`: of its residual codec, if it has one."""
    dimension, codec = record["dimension"], record["codec"]
    widths = {"f32": dimension, "f16": dimension, "int8": dimension, "binary": -(-dimension // 8), "residual": dimension * (nbits or 0) // 8}
    arrays = {name: np.frombuffer(base64.b64decode(record[name], validate=True), DTYPES[dtype]) for name, dtype in TYPES[codec].items()}
    return {name: array if name in ("scales", "codes") else array.reshape(-1, widths[codec]) for name, array in arrays.items()}


if __name__ == "__main__":
    found, listed = read_list(open(sys.argv[1], "rb").read())
    print(found, f"{len(listed)} documents, {sum(len(next(iter(arrays.values()))) for arrays in listed)} rows")
