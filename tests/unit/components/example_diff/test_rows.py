"""Rows of a partition: rounding, keys, hashes and single values, each against a straight computation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.components.example_diff.partitions import (
    MISSING_VALUE,
    Partitions,
    encode_rows,
    hash_keys,
    round_floats,
    single_values,
)
from mlops_tfx.config import PairedExampleSkew
from mlops_tfx.errors import DataError
from mlops_tfx.io.columns import to_example_form

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(FLOATS, max_size=3), min_size=1, max_size=20), digits=st.integers(0, 12))
def test_rounding_is_pythons(rows: list[list[float]], digits: int) -> None:
    column = pa.array([row or None for row in rows], pa.large_list(pa.float32()))
    expected = [[float(np.float32(round(value, digits))) for value in row] or None for row in rows]
    assert round_floats(column, digits).to_pylist() == expected
    assert round_floats(column.slice(1), digits).to_pylist() == expected[1:]


def test_what_is_not_rounded() -> None:
    special = pa.array([[np.nan], [np.inf], [-np.inf], None], pa.large_list(pa.float32()))
    assert str(round_floats(special, 2)) == str(special)
    whole = pa.array([[15]], pa.large_list(pa.int64()))
    assert round_floats(whole, 0) is whole
    assert round_floats(special, None) is special


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=50), st.integers(0, 5))
def test_equal_keys_have_equal_hashes_and_others_other_ones(keys: list[bytes], start: int) -> None:
    array = pa.array(keys, pa.large_binary()).slice(start)
    hashes = hash_keys(array).tolist()
    by_key = dict(zip(keys[start:], hashes, strict=True))
    assert [by_key[key] for key in keys[start:]] == hashes
    assert len(set(by_key.values())) == len(by_key)


def test_hashes_spread_evenly() -> None:
    keys = pa.array([f"1:{number}".encode() for number in range(20_000)], pa.large_binary())
    counts = np.bincount((hash_keys(keys) % np.uint64(16)).astype(np.int64), minlength=16)
    assert counts.min() > 1_000


def test_keys_tell_lists_of_values_apart() -> None:
    batch = to_example_form(pa.RecordBatch.from_pydict({"a": ["x", "xy", "1:x"], "b": ["yz", "z", None]}))
    rows, missing = encode_rows(batch, PairedExampleSkew(identifier_features=["b", "a"]))
    assert missing == 1
    assert rows.num_rows == 2
    assert len(set(rows.column(0).to_pylist())) == 2


def test_single_values() -> None:
    column = pa.array([[b"a"], None, [b"b"], []], pa.large_list(pa.large_binary()))
    assert single_values("x", column).to_pylist() == [b"a", MISSING_VALUE, b"b", MISSING_VALUE]
    assert single_values("x", column.slice(2)).to_pylist() == [b"b", MISSING_VALUE]
    assert single_values("x", pa.nulls(2)).to_pylist() == [MISSING_VALUE] * 2
    with pytest.raises(DataError, match="expected at most one value of feature 'x' in a row, received 2"):
        single_values("x", pa.array([[b"a", b"b"]], pa.large_list(pa.large_binary())))


def test_partitions_give_back_what_they_took(tmp_path: object) -> None:
    config = PairedExampleSkew(identifier_features=["id"])
    partitions = Partitions(f"{tmp_path}/p", 3)
    for start in range(0, 40, 10):
        names = {"id": list(range(start, start + 10)), f"x{start}": [1] * 10}
        partitions.write(encode_rows(to_example_form(pa.RecordBatch.from_pydict(names)), config)[0])
        partitions.flush()
    tables = [partitions.read(number) for number in range(3)]
    assert sum(table.num_rows for table in tables) == partitions.rows == 40
    keys = [set(table.column("key").to_pylist()) for table in tables]
    assert not keys[0] & keys[1] and len(set().union(*keys)) == 40
    assert Partitions(f"{tmp_path}/q", 1).read(0).num_rows == 0
