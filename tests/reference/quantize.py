"""Quantizes a small matrix with numpy, the way `tabrank convert` must: equalizer, 8-bit codes, 4-bit codes.

The recipe was found with this code, and the Rust in `src/convert/` is held against what it writes.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

F = np.float32
ROWS, COLUMNS, BLOCK = 20, 96, 32
FIXTURE = Path(__file__).parent.parent / "fixtures" / "quantize" / "expected.safetensors"


def equalizer(weights, rms, a, b):
    """weight^b / input^a of each channel, with a geometric mean of 1."""
    w = np.sqrt(np.mean(weights.astype(np.float64) ** 2, axis=0))
    x = rms.astype(np.float64)
    w = np.maximum(w, 1e-3 * w.mean())
    x = np.maximum(x, 1e-3 * x.mean())
    logarithm = b * np.log(w) - a * np.log(x)
    return np.exp(logarithm - logarithm.mean()).astype(F)


def q8(weights, factors, limit, block):
    """Codes and a scale for each block of a row, the last of which may be short; in half precision where a row has several."""
    v = (weights / factors).astype(F)
    scales = [np.maximum(np.abs(part).max(1), F(1e-30)) / F(limit) for part in np.split(v, range(block, v.shape[1], block), 1)]
    scales = np.stack(scales, 1).astype(F)
    if scales.shape[1] > 1:
        scales = np.maximum(scales.astype(np.float16), np.float16(2**-24)).astype(F)
    codes = np.clip(np.rint(v / np.repeat(scales, block, 1)[:, : v.shape[1]]), -limit, limit).astype(np.int8)
    return codes, scales


def q4(weights, factors, rms):
    """Codes from -8 to 7 and a half-precision scale for each block; `rms` None weighs all channels alike. A short last block is filled
    with zeros."""
    short = -weights.shape[1] % BLOCK
    weights, factors = np.pad(weights, ((0, 0), (0, short))), np.pad(factors, (0, short), constant_values=1)
    rows, columns = weights.shape
    v = (weights / factors).astype(F).reshape(-1, BLOCK)
    e = np.ones(columns, F) if rms is None else ((rms * factors) ** 2).astype(F)
    e = np.broadcast_to(e, weights.shape).reshape(-1, BLOCK)
    largest = np.take_along_axis(v, np.abs(v).argmax(1)[:, None], 1)
    best, scales = np.full_like(largest, np.inf), np.ones_like(largest)
    for code in (-9.0, -8.5, -8.0, -7.5, -7.0, -6.5):
        scale = largest / F(code)
        q = np.clip(np.rint(v / np.where(scale == 0, F(1), scale)), -8, 7)
        denominator = (e * q * q).sum(1, keepdims=True)
        numerator = (e * q * v).sum(1, keepdims=True)
        fitted = np.where(denominator > 0, numerator / np.maximum(denominator, F(1e-30)), F(0))
        fitted = fitted.astype(np.float16).astype(F)
        q = np.where(fitted == 0, F(0), np.clip(np.rint(v / np.where(fitted == 0, F(1), fitted)), -8, 7))
        error = (e * (q * fitted - v) ** 2).sum(1, keepdims=True)
        better = error < best
        best, scales = np.where(better, error, best), np.where(better, fitted, scales)
    q = np.where(scales == 0, 0, np.clip(np.rint(v / np.where(scales == 0, F(1), scales)), -8, 7))
    return q.astype(np.int8).reshape(rows, columns), scales.astype(np.float16).reshape(rows, -1)


def main():
    random = np.random.default_rng(7)
    weights = random.standard_normal((ROWS, COLUMNS)).astype(F) * F(0.05)
    rms = np.exp(random.standard_normal(COLUMNS)).astype(F)
    # What real models have: channels that are large or dead, a row of zeros, a block of zeros, one outlier.
    weights[:, 5] *= F(40)
    rms[11], rms[12] = F(300), F(0)
    weights[:, 13] = 0
    weights[3], weights[4, 32:64], weights[6, 70] = 0, 0, F(9)
    factors = equalizer(weights, rms, 0.5, 0.25)
    ones = np.ones(COLUMNS, F)
    tensors = {"weights": weights, "rms": rms, "equalizer": factors}
    for name, quantized in {
        "q8": q8(weights, factors, 63, 64),
        "table8": q8(weights, ones, 127, COLUMNS),
        "q4": q4(weights, factors, rms),
        "table4": q4(weights, ones, None),
        "short4": q4(weights[:, :45], ones[:45], None),
    }.items():
        tensors[f"{name}.codes"], tensors[f"{name}.scales"] = quantized
    FIXTURE.parent.mkdir(exist_ok=True)
    save_file(tensors, FIXTURE)
    print(FIXTURE.name, FIXTURE.stat().st_size)


if __name__ == "__main__":
    main()
