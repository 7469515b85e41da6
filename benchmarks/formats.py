"""What reading each input format costs, beside the libraries: ``python benchmarks/formats.py --rows 100000``.

CPU microseconds a row, the best of several runs of each side in turn: the same rows in every format, read to record
batches in tf.Example form (CSV and JSON Lines twice: types are inferred over all rows), and to a table of the library.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_tfx.io import avro, csv_files, csv_inspect, import_files, jsonl
from mlops_tfx.io.inputs import InputSplit

RUNS = 3


def main() -> None:
    """Writes the rows, reads them in every way, and shows a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), rows)
        sys.stdout.write(f"{'':14}{'here':>8}{'library':>9}{'ratio':>7}\n")
        for name, path in paths.items():
            split = InputSplit("all", (str(path),))
            here, there = HERE[name], LIBRARY[name]
            ours, theirs = float("inf"), float("inf")
            for _ in range(RUNS):
                ours = min(ours, seconds(lambda here=here, split=split: drained(here(split))))  # type: ignore[misc]
                theirs = min(theirs, seconds(lambda there=there, path=path: there(path)))  # type: ignore[misc]
            micro = 1e6 / rows
            sys.stdout.write(f"{name:14}{ours * micro:8.2f}{theirs * micro:9.2f}{theirs / ours:7.1f}\n")


def write(folder: Path, rows: int) -> dict[str, Path]:
    """Writes 8 columns of integers, 5 of floats and 7 of text in every format."""
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            **{f"int{k}": generator.integers(0, 3000, rows) for k in range(8)},
            **{f"float{k}": generator.random(rows) for k in range(5)},
            **{f"text{k}": generator.choice(["UA", "AA", "N12345", "EWR", "JFK"], rows) for k in range(7)},
        }
    )
    paths = {name: folder / name.replace(" ", "-") for name in HERE}
    frame.to_csv(paths["csv"], index=False)
    frame.to_json(paths["json lines"], orient="records", lines=True)
    pq.write_table(pa.Table.from_pandas(frame), paths["parquet"])
    kinds = {"int": "long", "float": "double", "text": "string"}
    fields = [{"name": name, "type": ["null", kinds[name[:-1]]]} for name in frame.columns]
    records = frame.to_dict("records")
    for name, interval in (("avro 16 kB", 16_000), ("avro 64 kB", 64_000)):
        with paths[name].open("wb") as file:
            schema = {"type": "record", "name": "Row", "fields": fields}
            fastavro.writer(file, schema, records, "deflate", sync_interval=interval)
    return paths


def drained(items: Any) -> int:
    """Reads everything; returns the rows."""
    return sum(len(item) for item in items)


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def fastavro_columns(path: Path) -> pa.Table:
    """What one would write: fastavro's records, made a table by Arrow."""
    with path.open("rb") as file:
        return pa.Table.from_pylist(list(fastavro.reader(file)))


def json_columns(path: Path) -> pa.Table:
    """What one would write: Python's parser, made a table by Arrow."""
    with path.open() as file:
        return pa.Table.from_pylist([json.loads(line) for line in file])


HERE: dict[str, Callable[[InputSplit], Any]] = {
    "csv": lambda split: csv_files.read_csv(csv_inspect.inspect_csv(split.files)),
    "json lines": lambda split: jsonl.read_jsonl(jsonl.inspect_jsonl(split.files)),
    "parquet": import_files.read_parquet,
    "avro 16 kB": avro.read_avro,
    "avro 64 kB": avro.read_avro,
}
LIBRARY: dict[str, Callable[[Path], Any]] = {
    "csv": pd.read_csv,
    "json lines": json_columns,
    "parquet": pd.read_parquet,
    "avro 16 kB": fastavro_columns,
    "avro 64 kB": fastavro_columns,
}


if __name__ == "__main__":
    main()
