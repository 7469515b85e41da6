from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_tfx.errors import DataError
from mlops_tfx.io import import_files, parquet
from mlops_tfx.io.columns import concat, to_example_form
from mlops_tfx.io.inputs import InputSplit


def read(*paths: Path) -> pa.RecordBatch:
    split = InputSplit("all", tuple(str(path) for path in paths))
    batch = concat([rows.batch for rows in import_files.read_parquet(split)])
    assert batch.num_rows == import_files.count_rows(split, is_parquet=True)
    return batch


HALF = pa.array(np.array([0.0, 1.5], np.float16))
DAY = dt.date(1970, 1, 3)
COLUMNS: dict[str, tuple[pa.Array, list[Any]]] = {
    "bool": (pa.array([False, None]), [[0], None]),
    **{f"int{size}": (pa.array([0, -1], f"int{size}"), [[0], [-1]]) for size in (8, 16, 32, 64)},
    **{f"uint{size}": (pa.array([0, 255], f"uint{size}"), [[0], [255]]) for size in (8, 16, 32, 64)},
    "float": (pa.array([0.0, None], pa.float32()), [[0.0], None]),
    "double": (pa.array([0.1, None]), [[float(np.float32(0.1))], None]),
    "text": (pa.array(["", None]), [[b""], None]),
    "large_text": (pa.array(["é", ""], pa.large_string()), [["é".encode()], [b""]]),
    "bytes": (pa.array([b"\xff", None], pa.binary()), [[b"\xff"], None]),
    "large_bytes": (pa.array([b"", b"x"], pa.large_binary()), [[b""], [b"x"]]),
    "fixed": (pa.array([b"ab", None], pa.binary(2)), [[b"ab"], None]),
    "category": (pa.array(["x", None]).dictionary_encode(), [[b"x"], None]),
    "number_category": (pa.array([7, 7]).dictionary_encode(), [[7], [7]]),
    "date": (pa.array([DAY, None], pa.date32()), [[2], None]),
    "date64": (pa.array([DAY, None], pa.date64()), [[2], None]),
    **{f"timestamp_{u}": (pa.array([3_000_000_000, None], pa.int64()).cast(pa.timestamp("ns")).cast(pa.timestamp(u)),
                          [[3_000_000], None]) for u in ("s", "ms", "us", "ns")},
    "zoned": (pa.array([5], pa.timestamp("ms", "Europe/Berlin")).take(pa.array([0, None])), [[5000], None]),
    "time": (pa.array([dt.time(0, 0, 1), None], pa.time32("s")), [[1_000_000], None]),
    "time_us": (pa.array([dt.time(0, 0, 1), None], pa.time64("us")), [[1_000_000], None]),
    "duration": (pa.array([5, None], pa.duration("ms")), [[5000], None]),
    "decimal": (pa.array([Decimal("1.25"), None], pa.decimal128(5, 2)), [[1.25], None]),
    "whole_decimal": (pa.array([Decimal(10**17 + 1), None], pa.decimal128(38, 0)), [[10**17 + 1], None]),
    "wide_decimal": (pa.array([Decimal("0.5"), None], pa.decimal256(50, 3)), [[0.5], None]),
    "list": (pa.array([[1, 2], []], pa.list_(pa.int32())), [[1, 2], None]),
    "text_list": (pa.array([["", "x"], None], pa.large_list(pa.string())), [[b"", b"x"], None]),
    "date_list": (pa.array([[DAY], None], pa.list_(pa.date32())), [[2], None]),
    "bool_list": (pa.array([[True, False], None]), [[1, 0], None]),
    "fixed_list": (pa.array([[1.0, 0.0], [2.0, 3.0]], pa.list_(pa.float64(), 2)), [[1.0, 0.0], [2.0, 3.0]]),
    "nothing": (pa.nulls(2), [None, None]),
}  # fmt: skip


def test_every_type_that_people_have(tmp_path: Path) -> None:
    table = pa.table({name: array for name, (array, _) in COLUMNS.items()})
    pq.write_table(table, tmp_path / "a.parquet", version="2.6")
    rows = read(tmp_path / "a.parquet").to_pylist()
    assert rows == [{name: values[row] for name, (_, values) in COLUMNS.items()} for row in (0, 1)]


def test_half_floats_and_slices() -> None:
    some = pa.array([[1, 2], None], pa.list_(pa.int64(), 2))  # which pyarrow 10 does not read from Parquet
    columns = {"half": HALF, "some": some, **{name: array for name, (array, _) in COLUMNS.items()}}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    whole, sliced = to_example_form(batch).to_pylist(), to_example_form(batch.slice(1)).to_pylist()
    assert sliced == whole[1:]
    assert whole[1]["half"] == [1.5]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([{"b": {"c": 1}}]), r"column 'x': expected values or lists of values, received a structure \(x.b\)"),
        (pa.array([[{"b": 1}]]), r"column 'x': .* received a structure \(x.b\)"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), r"column 'x': .*received type=map<string, int64"),
        (pa.array([[[1]]]), r"column 'x': .*received type=list<.*int64>"),
        (pa.array([[1, None]]), "column 'x': expected lists without nulls inside"),
        (pa.array([2**63], pa.uint64()), "column 'x': a value of type uint64 does not fit into int64"),
        (pa.array([1], pa.timestamp("ns")), "column 'x': .*would lose data.*cast the column to microseconds"),
        (pa.array([Decimal(10**30)], pa.decimal128(38, 0)), "column 'x': .*does not fit into int64"),
    ],
)
def test_columns_that_cannot_be_features(tmp_path: Path, array: pa.Array, message: str) -> None:
    pq.write_table(pa.table({"x": array}), tmp_path / "a.parquet", version="2.6")
    with pytest.raises(DataError, match=f"a.parquet: {message}"):
        read(tmp_path / "a.parquet")


def test_files_that_differ(tmp_path: Path) -> None:
    tables = [
        pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}),
        pa.table({"b": [b"y"], "a": pa.array([2], pa.int64())}),
        pa.table({"c": [True]}),
        pa.table({"a": [2.5], "b": pa.nulls(1)}),
    ]
    paths = [tmp_path / f"{index}.parquet" for index in range(4)]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, path)
    assert read(*paths).to_pylist() == [
        {"a": [1.0], "b": [b"x"], "c": None},
        {"a": [2.0], "b": [b"y"], "c": None},
        {"a": None, "b": None, "c": [1]},
        {"a": [2.5], "b": None, "c": None},
    ]
    pq.write_table(pa.table({"a": ["text"]}), paths[3])
    with pytest.raises(DataError, match=r"3.parquet: column 'a': expected integers as in .*0.parquet, received text"):
        read(*paths)


def test_batches_of_a_large_row_group_are_cut_by_bytes(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    values = [generator.bytes(1000) for _ in range(2000)]
    pq.write_table(pa.table({"x": values}), tmp_path / "a.parquet", row_group_size=2000)
    path = str(tmp_path / "a.parquet")
    batches = list(parquet.read_row_groups(path, [0], batch_rows=20_000, batch_bytes=100_000))
    assert max(batch.nbytes for batch in batches) < 130_000
    assert concat(batches).column(0).flatten().to_pylist() == values


def test_files_that_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(1).integers(0, 1 << 40, 10_000)}), path)
    data = path.read_bytes()
    for wrong in (data[:-20], data[:100], data[:-12] + b"\xff" * 8 + b"PAR1", data[:-100] + b"\xff" * 60 + data[-40:]):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"a.parquet: the Parquet file is cut off or its footer is damaged"):
            read(path)
    path.write_bytes(data[:4] + b"\xff" * 40 + data[44:])
    with pytest.raises(DataError, match=r"a.parquet: the Parquet data cannot be read"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a.parquet: expected a Parquet file"):
        read(path)
