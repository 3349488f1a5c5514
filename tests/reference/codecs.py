"""Writes what NumPy, Stanford's `ResidualCodec` (as PyLate ships it) and fast-plaid make of the same embeddings:
`tests/fixtures/codecs/expected.safetensors`.

fast-plaid takes halves, so that all embeddings and centroids are numbers that halves can hold; what it computes in halves differs all
the same by a rounding. It holds out the last tokens of shuffled documents: given all tokens as one document, those at its end.
"""

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from fast_plaid import fast_plaid_rust
from fast_plaid.search import FastPlaid
from fast_plaid.search.fast_plaid import compute_kmeans
from pylate.indexes.stanford_nlp.indexing.codecs.residual import ResidualCodec
from pylate.indexes.stanford_nlp.indexing.collection_indexer import CollectionIndexer
from safetensors.numpy import load_file, save_file

from make_fixtures import FIXTURES

DIMENSION = 32
NBITS = [1, 2, 4]
TOKENS, HELD_OUT, CENTROIDS = 120, 6, 12
LENGTHS = [9, 23, 1, 40, 30, 17]
QUERY = 6
# Of the sample that centroids are made of, and the tokens that they are judged by.
SAMPLE_DOCUMENTS, SAMPLE_LENGTH = 60, 20
OTHERS = 300


def halves(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(np.float32)


def embeddings(random: np.random.Generator, directions: np.ndarray, count: int) -> np.ndarray:
    """Unit vectors around some directions, as tokens of texts lie."""
    chosen = directions[random.integers(0, len(directions), count)]
    values = chosen + 0.5 * random.standard_normal((count, DIMENSION))
    return halves(values / np.linalg.norm(values, axis=1, keepdims=True))


def away_from_zero(values: np.ndarray) -> np.ndarray:
    """`np.round` takes halves to even numbers."""
    return np.copysign(np.floor(np.abs(values.astype(np.float64)) + 0.5), values)


def scalar(values: np.ndarray) -> dict[str, np.ndarray]:
    scales = np.abs(values).max(axis=1) / np.float32(127)
    divisors = np.where(scales == 0, np.float32(1), scales)[:, None]
    codes = away_from_zero(values / divisors).astype(np.int8)
    bits = np.packbits(values > 0, axis=1)
    signs = np.unpackbits(bits, axis=1)[:, : values.shape[1]].astype(np.float32) * 2 - 1
    return {
        "f16": values.astype(np.float16),
        "int8": codes,
        "int8.scales": scales,
        "int8.values": codes.astype(np.float32) * scales[:, None],
        "binary": bits,
        "binary.values": signs / np.sqrt(np.float32(values.shape[1])),
    }


def stanford(centroids: np.ndarray, held_out: np.ndarray, nbits: int) -> tuple[ResidualCodec, dict[str, np.ndarray]]:
    """Buckets from tokens that were held out, as its indexer makes them."""
    config = SimpleNamespace(total_visible_gpus=0, dim=centroids.shape[1], nbits=nbits, rank=0)
    indexer = SimpleNamespace(config=config, use_gpu=False, verbose=0)
    tables = CollectionIndexer._compute_avg_residual(indexer, torch.from_numpy(centroids), torch.from_numpy(held_out))
    cutoffs, weights, average = tables
    codec = ResidualCodec(config, torch.from_numpy(centroids), average, cutoffs, weights)
    return codec, {"cutoffs": cutoffs.numpy(), "weights": weights.numpy()}


def stanford_codes(codec: ResidualCodec, values: np.ndarray) -> dict[str, np.ndarray]:
    compressed = codec.compress(torch.from_numpy(values))
    return {
        "codes": compressed.codes.numpy().astype(np.uint32),
        "residuals": compressed.residuals.numpy(),
        "values": codec.decompress(compressed).numpy(),
    }


def fast_plaid(documents: list[torch.Tensor], centroids: torch.Tensor, nbits: int, queries=None) -> dict[str, np.ndarray]:
    """What lies in an index's files, and the scores of its documents."""
    with tempfile.TemporaryDirectory() as folder:
        index = FastPlaid(index=folder, device="cpu")
        fast_plaid_rust.create(
            index=folder, torch_path=index.torch_path, device="cpu", embedding_dim=centroids.shape[1], nbits=nbits,
            embeddings=[document.half() for document in documents], centroids=centroids.half(), batch_size=50_000, seed=1,
            compress_only=False,
        )  # fmt: skip
        read = lambda name: np.load(Path(folder) / f"{name}.npy")
        found = {
            "cutoffs": read("bucket_cutoffs"),
            "weights": read("bucket_weights"),
            "avg_residual": read("avg_residual").astype(np.float32),
            "codes": read("0.codes").astype(np.uint32),
            "residuals": read("0.residuals"),
        }
        if queries is None:
            return found
        assert json.loads((Path(folder) / "doclens.0.json").read_text()) == [len(document) for document in documents]
        index = FastPlaid(index=folder, device="cpu")
        found["values"] = torch.cat(index.get_embeddings(list(range(len(documents))))).numpy()
        ranked = index.search(queries, top_k=len(documents), n_ivf_probe=len(centroids), n_full_scores=4096)
        found["scores"] = np.array([score for _, score in sorted(ranked[0])], dtype=np.float32)
        assert len(found["scores"]) == len(documents)
        return found


def maxsim(query: np.ndarray, values: np.ndarray, lengths: list[int]) -> np.ndarray:
    """In 64 bits."""
    similarities = query.astype(np.float64) @ values.astype(np.float64).T
    starts = np.cumsum([0, *lengths[:-1]])
    scores = [similarities[:, start : start + length].max(axis=1).sum() for start, length in zip(starts, lengths)]
    return np.array(scores, dtype=np.float32)


def mean_error(values: np.ndarray, decoded: np.ndarray) -> np.float32:
    """Mean squared distance of a token from what comes back."""
    return np.float32(((values - decoded) ** 2).sum(axis=1).mean())


def kmeans(documents: list[np.ndarray]) -> torch.Tensor:
    torch.manual_seed(1)
    return compute_kmeans(
        [torch.from_numpy(document) for document in documents],
        dim=documents[0].shape[1], device="cpu", kmeans_niters=4, max_points_per_centroid=256, seed=42,
    ).float()  # fmt: skip


def training_errors(documents: list[np.ndarray], others: np.ndarray, nbits: int) -> dict[str, np.ndarray]:
    """Mean error on other tokens: of centroids from 95 % of the tokens and buckets from the rest, as Stanford's indexer makes them, and of
    fast-plaid's, whose buckets come from tokens that were among those of the centroids."""
    tokens = np.random.default_rng(5).permutation(np.concatenate(documents))
    held_out = len(tokens) // 20
    codec, _ = stanford(kmeans([tokens[:-held_out]]).numpy(), tokens[-held_out:], nbits)
    centroids = kmeans(documents)
    plaid = fast_plaid([torch.from_numpy(document) for document in documents], centroids, nbits)
    theirs = ResidualCodec(
        SimpleNamespace(total_visible_gpus=0, dim=others.shape[1], nbits=nbits, rank=0),
        centroids, torch.zeros(1), torch.from_numpy(plaid["cutoffs"]).float(), torch.from_numpy(plaid["weights"]).float(),
    )  # fmt: skip
    errors = [mean_error(others, stanford_codes(one, others)["values"]) for one in (codec, theirs)]
    return {"errors": np.array(errors), "centroids": np.array([len(centroids)], dtype=np.uint32)}


def main() -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(12)
    directions = random.standard_normal((CENTROIDS, DIMENSION))
    centroids = halves(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    counts = TOKENS, QUERY, SAMPLE_DOCUMENTS * SAMPLE_LENGTH, OTHERS
    values, query, sample, others = (embeddings(random, directions, count) for count in counts)
    assert sum(LENGTHS) == TOKENS and TOKENS // 20 == HELD_OUT
    tensors = {"values": values, "centroids": centroids, "query": query, "sample": sample.astype(np.float16), "others": others.astype(np.float16)}
    # A width that fills no byte, and rows that are zero or have ties between codes.
    odd = halves(random.standard_normal((5, 11)))
    odd[1], odd[2] = 0, [127, -63.5, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 126.5, 0, 1]
    for name, rows in (("", values), ("odd.", odd)):
        tensors |= {f"{name}{key}": value for key, value in scalar(rows).items()}
    tensors["odd.values"] = odd
    documents = [torch.from_numpy(rows) for rows in np.split(values, np.cumsum(LENGTHS)[:-1])]
    for nbits in NBITS:
        codec, found = stanford(centroids, values[-HELD_OUT:], nbits)
        found |= stanford_codes(codec, values)
        found["scores"] = maxsim(query, found["values"], LENGTHS)
        tensors |= {f"stanford.{nbits}.{key}": value for key, value in found.items()}
        found = fast_plaid([torch.from_numpy(values)], torch.from_numpy(centroids), nbits)
        tensors |= {f"fast-plaid.{nbits}.{key}": value for key, value in found.items()}
        found = fast_plaid(documents, torch.from_numpy(centroids), nbits, torch.from_numpy(query)[None])
        tensors |= {f"index.{nbits}.{key}": value for key, value in found.items()}
        found = training_errors(np.split(sample, SAMPLE_DOCUMENTS), others, nbits)
        tensors |= {f"sample.{nbits}.{key}": value for key, value in found.items()}
    folder = FIXTURES / "codecs"
    folder.mkdir(exist_ok=True)
    tensors["lengths"] = np.array(LENGTHS, dtype=np.uint32)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "expected.safetensors")


def documents_of(file: str) -> list[np.ndarray]:
    tensors = load_file(file)
    return np.split(tensors["embeddings"].astype(np.float32), np.cumsum(tensors["lengths"].astype(np.int64))[:-1])


def ours(file: str) -> ResidualCodec:
    tensors = {name: torch.from_numpy(values) for name, values in load_file(file).items()}
    cutoffs, weights = tensors["bucket_cutoffs"], tensors["bucket_weights"]
    nbits = len(weights).bit_length() - 1
    config = SimpleNamespace(total_visible_gpus=0, dim=tensors["centroids"].shape[1], nbits=nbits, rank=0)
    return ResidualCodec(config, tensors["centroids"], torch.zeros(1), cutoffs, weights)


def compare(sample: str, others: str, codecs: list[str]) -> None:
    """What codecs made of one file of `tabrank encode`, f32 or f16, lose of another: theirs, and files of `tabrank codec train`."""
    others = np.concatenate(documents_of(others))
    for nbits in NBITS:
        found = training_errors(documents_of(sample), others, nbits)
        count, (one, other) = found["centroids"][0], found["errors"]
        print(f"{nbits} bits, {count} centroids: mean squared error {one:.5f} as Stanford makes buckets, {other:.5f} as fast-plaid does")
    for file in codecs:
        codec = ours(file)
        error = mean_error(others, stanford_codes(codec, others)["values"])
        print(f"{file}: {codec.nbits} bits, {len(codec.centroids)} centroids: {error:.5f}")


if __name__ == "__main__":
    compare(*sys.argv[1:3], sys.argv[3:]) if len(sys.argv) > 2 else main()
