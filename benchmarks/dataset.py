"""Rows a second that training code gets from DataAccessor, beside plain tf.data on the same files.

    python benchmarks/dataset.py --rows 200000

The other side is ``tf.data.TFRecordDataset(GZIP)``, shuffle, batch, ``tf.io.parse_example``. Both sides run in turn,
one epoch each, and the best of several runs counts. For Parquet, tf.data has no reader: the ratio is to the TFRecords.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.io.columns import to_example_form
from mlops_tfx.io.dataset import TensorFlowDatasetOptions, data_accessor
from mlops_tfx.io.examples import ExamplesWriter
from mlops_tfx.io.parser import Parser

RUNS = 3
PAYLOADS = {"tfrecords_gzip": "FORMAT_TF_EXAMPLE", "parquet": "FORMAT_PARQUET"}


def main() -> None:
    """Writes the rows in both formats, reads them in every way, and shows a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    rows = arguments.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        batch, schema = make_rows(rows)
        examples = {name: write(f"{folder}/{name}", batch, name) for name in PAYLOADS}
        sys.stdout.write(f"{'format':16}{'batch':>6}{'shuffle':>9}{'rows/s':>10}{'tf.data':>10}{'ratio':>7}\n")
        for file_format, stored in examples.items():
            for size, shuffle in ((40, True), (40, False), (1024, True), (1024, False)):
                options = TensorFlowDatasetOptions(size, num_epochs=1, shuffle=shuffle, shuffle_seed=1)
                ours, plain = race(
                    lambda stored=stored, options=options: accessor(stored, options, schema),  # type: ignore[misc]
                    lambda options=options: tf_data(examples["tfrecords_gzip"], options, schema),  # type: ignore[misc]
                )
                line = f"{file_format:16}{size:6}{shuffle!s:>9}{rows / ours:10,.0f}{rows / plain:10,.0f}"
                sys.stdout.write(f"{line}{plain / ours:7.2f}\n")


def make_rows(rows: int) -> tuple[pa.RecordBatch, Any]:
    """6 integers, 6 floats and 3 texts, all dense; and their schema."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {f"int{k}": random.integers(0, 3000, rows) for k in range(6)}
    columns.update({f"float{k}": random.random(rows, np.float32) for k in range(6)})
    columns.update({f"text{k}": random.choice(["UA", "AA", "N12345", "EWR", "JFK"], rows) for k in range(3)})
    kinds = {"int": "INT", "float": "FLOAT", "text": "BYTES"}
    dense = "shape { dim { size: 1 } } presence { min_fraction: 1 }"
    lines = [f'feature {{ name: "{name}" type: {kinds[name[:-1]]} {dense} }}' for name in columns]
    schema = text_format.Parse("\n".join(lines), schema_pb2.Schema())
    return to_example_form(pa.RecordBatch.from_pandas(pd.DataFrame(columns))), schema


def write(uri: str, batch: pa.RecordBatch, file_format: str) -> Examples:
    """Writes the rows as one split, in shards of 4 MB."""
    properties = {"payload_format": PAYLOADS[file_format], "file_format": file_format}
    examples = Examples(uri, custom_properties=properties)
    examples.splits = ["train"]
    with ExamplesWriter(examples.path("train"), file_format=file_format, max_shard_bytes=8 << 20) as writer:
        for start in range(0, batch.num_rows, 20_000):
            writer.write(batch.slice(start, 20_000))
    return examples


def accessor(examples: Examples, options: TensorFlowDatasetOptions, schema: Any) -> Any:
    """What training code does."""
    return data_accessor(examples).tf_dataset_factory([examples.path("train") + "/*"], options, schema)


def tf_data(examples: Examples, options: TensorFlowDatasetOptions, schema: Any) -> Any:
    """What one would write by hand."""
    files = filesystem.glob(examples.path("train") + "/*")
    dataset = tf.data.TFRecordDataset(files, "GZIP", buffer_size=4 << 20)
    if options.shuffle:
        dataset = dataset.shuffle(options.shuffle_buffer_size, seed=options.shuffle_seed)
    parse = Parser(schema).parse
    return dataset.batch(options.batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def race(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """The least seconds of each, run in turn."""
    best = [float("inf"), float("inf")]
    for _ in range(RUNS):
        for index, make in enumerate((one, other)):
            start = time.perf_counter()
            for _ in make():
                pass
            best[index] = min(best[index], time.perf_counter() - start)
    return best[0], best[1]


if __name__ == "__main__":
    main()
