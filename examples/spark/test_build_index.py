"""python test_build_index.py TABRANK MODEL DOCUMENTS: is an index that Spark builds in parts the one that is built at once?"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from build_index import build
from pyspark.sql import SparkSession


def files(folder):
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def main():
    tabrank, model, documents = (Path(argument).resolve() for argument in sys.argv[1:])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()
    with tempfile.TemporaryDirectory() as folder:
        codec = Path(folder, "codec")
        # Partitions without documents are among its parts.
        few = Path(folder, "few.jsonl")
        few.write_text("".join(documents.read_text().splitlines(keepends=True)[:5]))
        for name, parts, source in [("two", 2, documents), ("seven", 7, documents), ("few", 9, few)]:
            merged, once = Path(folder, f"{name}-merged"), Path(folder, f"{name}-once")
            given = codec.read_bytes() if codec.exists() else None
            codec.write_bytes(build(spark, source, model, merged, parts, str(tabrank), given, sample=200))
            subprocess.run([tabrank, "index", "build", "--model", model, "--codec", codec, source, "-o", once], check=True)
            assert files(merged) == files(once), f"{parts} parts make another index"
            print(f"{name}: {parts} parts, merged, are the {len(files(once))} files of the index that is built at once")
    spark.stop()


if __name__ == "__main__":
    main()
