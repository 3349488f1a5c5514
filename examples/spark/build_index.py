"""An index of a collection that one machine would take too long to encode: each of Spark's workers builds one of a stretch of the documents, and
`tabrank index merge` makes one of all.

    python build_index.py --model DIR --documents documents.jsonl --output site/index [--parts 8] [--codec FILE]

`tabrank` has to be on the PATH of the driver and of the workers, or named by --tabrank, and the model's folder to be at the same place on all of them.
The result is, byte for byte, what `tabrank index build --codec FILE` makes of the whole file; README.md says why.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

FILES = "first long, file string, content binary"


def run(command, lines=()):
    """Writes lines to a command; its own words go to stderr, as they come."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, encoding="utf-8") as process:
        try:
            process.stdin.writelines(f"{line}\n" for line in lines)
            process.stdin.close()
        except BrokenPipeError:
            pass  # It has ended, and said why.
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command[:3]))} ended with {process.returncode}")


def train(lines, count, tabrank, model, folder, nbits):
    """The bytes of a codec that suits the documents whose hashes are least: the same ones, however they are spread over the workers."""
    drawn = lines.takeOrdered(count, key=lambda line: hashlib.sha256(line.encode()).digest())
    sample, codec = Path(folder, "sample.safetensors"), Path(folder, "codec")
    run([tabrank, "encode", "--model", model, "-o", sample], drawn)
    run([tabrank, "codec", "train", sample, "--nbits", str(nbits), "-o", codec])
    return codec.read_bytes()


def builder(tabrank, model, codec):
    """What a worker does with a partition, a stretch of the documents: an index of it, whose files are the rows that it hands on."""

    def build(frames):
        with tempfile.TemporaryDirectory() as folder:
            index, codec_file, firsts = Path(folder, "index"), Path(folder, "codec"), []
            codec_file.write_bytes(codec)

            def lines():
                for frame in frames:
                    firsts.extend(frame["place"][:1])
                    yield from frame["line"]

            run([tabrank, "index", "build", "--model", model, "--codec", codec_file, "-o", index], lines())
            # A partition may be empty.
            for file in sorted(index.iterdir()) if firsts else []:
                yield pd.DataFrame({"first": [firsts[0]], "file": [file.name], "content": [file.read_bytes()]})

    return build


def build(spark, documents, model, output, parts, tabrank="tabrank", codec=None, sample=4096, nbits=2):
    # What the workers run is in this file.
    spark.sparkContext.addPyFile(__file__)
    # Lines with their places in the file: documents that are coded alike stand in an index in the order in which they came.
    lines = spark.sparkContext.textFile(str(documents), parts).filter(str.strip)
    with tempfile.TemporaryDirectory() as folder:
        codec = codec or train(lines, sample, tabrank, str(model), folder, nbits)
        numbered = spark.createDataFrame(lines.zipWithIndex(), "line string, place long")
        stretches = numbered.repartitionByRange(parts, "place").sortWithinPartitions("place")
        files = stretches.mapInPandas(builder(tabrank, str(model), codec), FILES)
        folders = set()
        for row in files.toLocalIterator():
            part = Path(folder, f"part-{row.first:012}")
            part.mkdir(exist_ok=True)
            Path(part, row.file).write_bytes(row.content)
            folders.add(part)
        run([tabrank, "index", "merge", *sorted(folders), "-o", output])
    return codec


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", required=True, help="JSONL with id and text: a path, or whatever Spark reads text from")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--nbits", type=int, default=2)
    parser.add_argument("--sample", type=int, default=4096, help="documents that the codec is trained on")
    parser.add_argument("--codec", type=Path, help="one of `tabrank codec train`, in place of that")
    parser.add_argument("--tabrank", default="tabrank")
    options = parser.parse_args()
    tabrank = shutil.which(options.tabrank) or sys.exit(f"{options.tabrank} is not there: cargo install --path . --features cli")
    codec = options.codec and options.codec.read_bytes()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("tabrank index").getOrCreate()
    build(spark, options.documents, options.model.resolve(), options.output, options.parts, tabrank, codec, options.sample, options.nbits)
    spark.stop()


if __name__ == "__main__":
    main()
