"""Time MaxSim in numpy on one thread: milliseconds of each repetition as JSON.

    python maxsim_numpy.py QUERY_ROWS DOCUMENTS DOCUMENT_ROWS DIMENSION REPETITIONS
"""

import json
import os
import sys
import time

# Before numpy is loaded.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np


def main() -> None:
    query_rows, documents, document_rows, dimension, repetitions = map(int, sys.argv[1:])
    random = np.random.default_rng(1)
    query = random.random((dimension, query_rows), dtype=np.float32) - 0.5
    rows = random.random((documents * document_rows, dimension), dtype=np.float32) - 0.5
    times = []
    # The first one warms up.
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        (rows @ query).reshape(documents, document_rows, query_rows).max(axis=1).sum(axis=1)
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(times[1:]))


if __name__ == "__main__":
    main()
