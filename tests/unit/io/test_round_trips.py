"""Any table survives every format unchanged, and its rows land in the same splits however they are spread over files.

Written with other libraries, ingested as the components do, read back through this library and through others.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_tfx.artifacts import Examples
from mlops_tfx.io import avro, avro_lockstep, csv_files, csv_inspect, examples, import_files, ingest, jsonl
from mlops_tfx.io.inputs import InputSplit
from mlops_tfx.io.partition import Partition
from mlops_tfx.io.rows import Rows
from tests.unit.io import tables
from tests.unit.io.tables import Column, Table

Read = Callable[[InputSplit, Table], Iterable[Rows]]
SPLITS = Partition([("train", 2), ("eval", 1)])
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
CSV_TYPES = {"int": "INT", "float": "FLOAT", "text": "STRING"}


def _read_csv(split: InputSplit, table: Table) -> Iterable[Rows]:
    types = {name: CSV_TYPES[column.kind] for name, column in table.items()}
    return csv_files.read_csv(csv_inspect.inspect_csv(split.files, csv_files.CsvFormat(column_types=types)))


FORMATS: dict[str, tuple[Any, Callable[[Table, Path], None], Read]] = {
    "csv": (tables.tables(("int", "float", "text"), False, text=tables.CSV_TEXT), tables.write_csv, _read_csv),
    "jsonl": (
        tables.tables(("int", "float", "text")),
        tables.write_jsonl,
        lambda split, table: jsonl.read_jsonl(jsonl.inspect_jsonl(split.files)),
    ),
    "tfrecord": (tables.tables(), tables.write_tfrecord, lambda split, table: import_files.read_tfrecords(split)),
    "parquet": (tables.tables(), tables.write_parquet, lambda split, table: import_files.read_parquet(split)),
    "avro": (tables.tables(words=True), tables.write_avro, lambda split, table: avro.read_avro(split)),
}


def ingested(name: str, table: Table, root: Path, files: int, file_format: str) -> Examples:
    """Writes a table to files, and ingests them."""
    _, write, read = FORMATS[name]
    source = root / f"in-{files}"
    source.mkdir(parents=True, exist_ok=True)
    paths = tuple(str(source / f"{index}.{name}") for index in range(files))
    for path, part in zip(paths, tables.cut(table, files), strict=True):
        write(part, Path(path))
    artifact = Examples(str(root / f"out-{files}-{file_format}"))
    rows = read(InputSplit("all", paths), table)
    storage = ingest.Storage(examples.PAYLOADS_BY_FORMAT[file_format], file_format)
    written = ingest.write_splits(artifact, {"all": rows}, SPLITS, storage)
    assert sum(written.values()) == tables.row_count(table)
    return artifact


def read_here(artifact: Examples, split: str) -> list[dict[str, Any]]:
    return [
        tables.comparable(row)
        for batch in examples.read_batches(artifact, split, batch_rows=4)
        for row in batch.to_pylist()
    ]


def read_elsewhere(artifact: Examples, split: str) -> list[dict[str, Any]]:
    paths = examples.split_files(artifact, split)
    if examples.file_format_of(artifact) == examples.PARQUET:
        return [tables.comparable(row) for path in paths for row in pq.read_table(path).to_pylist()]
    return [tables.comparable(row) for path in paths for row in _parsed(path)]


def _parsed(path: str) -> Iterator[dict[str, Any]]:
    import tensorflow as tf

    for record in tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions(compression_type="GZIP")):
        features = tf.train.Example.FromString(record).features.feature
        kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
        yield {name: list(getattr(features[name], kind).value) for name, kind in kinds.items() if kind}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("file_format", [examples.TFRECORDS_GZIP, examples.PARQUET])
def test_any_table_survives(name: str, file_format: str) -> None:
    @SETTINGS
    @given(FORMATS[name][0])
    def check(table: Table) -> None:
        if not _can_be_written(name, table):
            return
        with TemporaryDirectory() as folder:
            artifact = ingested(name, table, Path(folder), 1, file_format)
            here = {split: read_here(artifact, split) for split in SPLITS.names}
            assert {split: read_elsewhere(artifact, split) for split in SPLITS.names} == here
        assert _sorted(row for rows in here.values() for row in rows) == _sorted(tables.expected(table))

    check()


def _can_be_written(name: str, table: Table) -> bool:
    """CSV has no file without rows; JSON Lines and TFRecord have no column without a value, Parquet no row without."""
    if name == "csv":
        return tables.row_count(table) > 0
    return name in ("parquet", "avro") or any(tables.expected(table)) or not tables.row_count(table)


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


@pytest.mark.parametrize("name", FORMATS)
def test_splits_do_not_depend_on_files_batches_or_formats(name: str) -> None:
    @SETTINGS
    @given(FORMATS[name][0], st.integers(2, 7), st.sampled_from([1, 3, 1000]))
    def check(table: Table, files: int, batch: int) -> None:
        if not _can_be_written(name, table):
            return
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            root = Path(folder)
            whole = ingested(name, table, root, 1, examples.TFRECORDS_GZIP)
            in_order = {split: read_here(whole, split) for split in SPLITS.names}
            patch.setattr(examples, "BATCH_ROWS", batch)
            patch.setattr(examples, "BATCH_BYTES", 1 << 20 if batch > 1 else 10)
            patch.setattr(examples, "SHARD_BYTES", batch * 100)
            patch.setattr(jsonl, "_BLOCK_BYTES", batch * 50)
            patch.setattr(avro, "_CHUNK_BYTES", batch * 20)
            patch.setattr(avro_lockstep, "FEWEST_BLOCKS", 1 if batch > 1 else 10**9)
            for file_format in (examples.TFRECORDS_GZIP, examples.PARQUET):
                other = ingested(name, table, root, files, file_format)
                assert {split: read_here(other, split) for split in SPLITS.names} == in_order

    check()


@pytest.mark.parametrize("file_format", [examples.TFRECORDS_GZIP, examples.PARQUET])
def test_one_column_at_a_time(file_format: str) -> None:
    """Names such as ``a`` and ``a.b`` are not taken for each other."""

    @SETTINGS
    @given(FORMATS["parquet"][0])
    def check(table: Table) -> None:
        with TemporaryDirectory() as folder:
            artifact = ingested("parquet", table, Path(folder), 1, file_format)
            for split in SPLITS.names:
                rows = read_here(artifact, split)
                for name in list(table)[:4]:
                    batches = list(examples.read_batches(artifact, split, columns=[name]))
                    found = [tables.comparable(row) for batch in batches for row in batch.to_pylist()]
                    assert found == [{key: row[key] for key in row if key == name} for row in rows]

    check()


def test_wide_floats_are_rounded_to_float32_in_every_format(tmp_path: Path) -> None:
    """As protobuf rounds them: to the nearest, ties to even; what is too large becomes infinite."""
    import fastavro
    import pyarrow as pa

    generator = np.random.default_rng(1)
    values = [0.1, 1 / 3, 1e300, -1e300, 1e-300, 5e-324, 1 + 2**-24, 1 + 3 * 2**-24, 3.4028235677973366e38, math.nan]
    values += generator.integers(0, 2**63, 200).view(np.float64).tolist()
    with np.errstate(over="ignore"):
        expected = [struct.pack("<f", value) if value == value else b"nan" for value in np.float32(values)]
    lines = [repr(value) for value in values]
    (tmp_path / "a.csv").write_text("\n".join(["x", *lines]))
    (tmp_path / "a.jsonl").write_text("".join(f'{{"x": {json.dumps(value)}}}\n' for value in values))
    pq.write_table(pa.table({"x": values}), tmp_path / "a.parquet")
    schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "double"}]}
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, schema, [{"x": value} for value in values])
    for name in ("csv", "jsonl", "parquet", "avro"):
        rows = FORMATS[name][2](InputSplit("all", (str(tmp_path / f"a.{name}"),)), {"x": Column("float", False, [])})
        found = [value for part in rows for value in np.asarray(part.batch.column(0).flatten())]
        assert [struct.pack("<f", value) if value == value else b"nan" for value in found] == expected, name


def test_many_rows_in_few_and_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, blocks and shards of each format; the strategies above are small."""
    count = 4000
    monkeypatch.setattr(examples, "BATCH_ROWS", 700)
    monkeypatch.setattr(examples, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(avro, "_CHUNK_BYTES", 5_000)
    generator = np.random.default_rng(2)
    ints = generator.integers(-(2**63), 2**63 - 1, count).tolist()
    table = {
        "int": Column("int", False, [None if n % 7 == 0 else value for n, value in enumerate(ints)]),
        "float": Column("float", False, generator.random(count).astype(np.float32).astype(float).tolist()),
        "text": Column("text", False, [f"text {n % 100}" for n in range(count)]),
    }
    expected = tables.expected(table)
    for name in FORMATS:
        whole = ingested(name, table, tmp_path / name, 1, examples.TFRECORDS_GZIP)
        parts = ingested(name, table, tmp_path / name, 7, examples.PARQUET)
        rows = {split: read_here(whole, split) for split in SPLITS.names}
        assert {split: read_here(parts, split) for split in SPLITS.names} == rows
        assert _sorted(row for split in rows.values() for row in split) == _sorted(expected)
        kept = iter(expected)
        assert all(row in kept for row in rows["train"]), "the order is kept"


def test_written_parquet_is_plain_columns_for_everyone(tmp_path: Path) -> None:
    """pandas always; DuckDB and Polars where they are installed."""
    import pandas as pd

    table = {
        "int": Column("int", False, [2**53 + 1, -5, 0]),
        "float": Column("float", False, [0.5, None, -0.0]),
        "text": Column("text", False, ["", "é", None]),
        "bytes": Column("bytes", False, [b"\xff", b"", b"x"]),
        "list": Column("int", True, [[1, 2], [4], [3]]),
        "a.b": Column("text", True, [["x"], ["y", ""], None]),
    }
    artifact = ingested("parquet", table, tmp_path, 1, examples.PARQUET)
    paths = [path for split in SPLITS.names for path in examples.split_files(artifact, split)]
    frames = {"pandas": [row for path in paths for row in pd.read_parquet(path).to_dict("records")]}
    if importlib.util.find_spec("polars"):
        polars = importlib.import_module("polars")
        frames["polars"] = [row for path in paths for row in polars.read_parquet(path).to_dicts()]
    if importlib.util.find_spec("duckdb"):
        found = [importlib.import_module("duckdb").sql(f"select * from read_parquet('{path}')") for path in paths]
        frames["duckdb"] = [dict(zip(each.columns, row, strict=True)) for each in found for row in each.fetchall()]
    for name, rows in frames.items():
        assert _sorted(tables.comparable(_plain(row)) for row in rows) == _sorted(tables.expected(table)), name


@pytest.mark.parametrize("name", ["csv", "parquet", "avro"])
def test_all_parquet_files_of_an_ingestion_have_the_same_columns(name: str, tmp_path: Path) -> None:
    """Also a split without rows, or one in which no list has two values."""
    table = {
        "n": Column("int", False, list(range(40))),
        "text": Column("text", False, [None] * 39 + ["x"]),
        "none": Column("int", False, [None] * 40),
    }
    if name != "csv":
        table |= {"list": Column("int", True, [[1, 2], *([n] for n in range(39))])}
    for rows in (1, 40):
        few = {key: Column(column.kind, column.is_list, column.cells[:rows]) for key, column in table.items()}
        artifact = ingested(name, few, tmp_path / str(rows), 1, examples.PARQUET)
        paths = [path for split in SPLITS.names for path in examples.split_files(artifact, split)]
        assert len({str(pq.read_schema(path)) for path in paths}) == 1
        assert pq.ParquetDataset(paths).read().num_rows == rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a DataFrame: arrays as lists, NaN (which stands for missing in pandas) as None."""
    listed = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in listed.items()}
