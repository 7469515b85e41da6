from __future__ import annotations

import bisect
import hashlib
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import config
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.io import partition
from mlops_tfx.io.rows import Rows


def ints(values: list[int]) -> pa.Array:
    return pa.array([[v] for v in values], pa.large_list(pa.int64()))


@given(st.lists(st.binary(max_size=300), min_size=1), st.integers(1, 2**32 - 1))
def test_hash_modulo_equals_a_straight_loop(keys: list[bytes], modulus: int) -> None:
    expected = [int(hashlib.sha256(key).hexdigest(), 16) % modulus for key in keys]
    assert partition.hash_modulo(pa.array(keys, pa.binary()), modulus).tolist() == expected


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_splits_share_the_buckets_in_order(buckets: list[int]) -> None:
    rows = Rows(pa.RecordBatch.from_arrays([ints(list(range(200)))], ["n"]))
    division = partition.Partition([(f"s{i}", b) for i, b in enumerate(buckets)])
    ends = list(itertools.accumulate(buckets))
    expected = [
        bisect.bisect(ends, int(hashlib.sha256(record).hexdigest(), 16) % ends[-1])
        for record in rows.records.to_pylist()
    ]
    assert division.assign(rows).tolist() == expected


@pytest.mark.parametrize(
    ("column", "keys"),
    [
        # Serialized tf.train.Features, written by hand: int64_list {value: 5}, bytes_list {value: "ab"}, both packed.
        (ints([5, 6, 5]), [b"\x1a\x03\x0a\x01\x05", b"\x1a\x03\x0a\x01\x06", b"\x1a\x03\x0a\x01\x05"]),
        (pa.array([[b"ab"], [b""]], pa.large_list(pa.large_binary())), [b"\x0a\x04\x0a\x02ab", b"\x0a\x02\x0a\x00"]),
        (pa.array([[b"a", b"b"], []], pa.large_list(pa.large_binary())), [b"\x0a\x06\x0a\x01a\x0a\x01b", b"\x0a\x00"]),
    ],
)
def test_partition_by_one_feature(column: pa.Array, keys: list[bytes]) -> None:
    rows = Rows(pa.RecordBatch.from_arrays([column, ints(list(range(len(column))))], ["key", "n"]))
    division = partition.Partition([("a", 500), ("b", 500)], "key")
    expected = [int(int(hashlib.sha256(key).hexdigest(), 16) % 1000 >= 500) for key in keys]
    assert division.assign(rows).tolist() == expected


@pytest.mark.parametrize(
    ("column", "feature", "message"),
    [
        (ints([1, 2]), "idd", "partitioned, received 'idd', which there is not; did you mean 'id'?"),
        (pa.array([[1], None], pa.large_list(pa.int64())), "id", "column 'id': expected a value in every row"),
        (pa.array([[1.0]], pa.large_list(pa.float32())), "id", "column 'id': expected integers or bytes"),
        (pa.nulls(2), "id", "column 'id': expected a value in every row"),
    ],
)
def test_features_that_cannot_partition(column: pa.Array, feature: str, message: str) -> None:
    rows = Rows(pa.RecordBatch.from_arrays([column], ["id"]))
    with pytest.raises(DataError) as caught:
        partition.Partition([("a", 1), ("b", 1)], feature).assign(rows)
    assert message in str(caught.value)


def output(*splits: tuple[str, int]) -> config.Output:
    wanted = [config.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in splits]
    return config.Output(split_config=config.SplitConfig(splits=wanted))


def test_default_and_given_splits() -> None:
    default = partition.output_partition(None, ["single_split"])
    assert default is not None
    assert default.names == ("train", "eval")
    rows = Rows(pa.RecordBatch.from_arrays([ints(list(range(3000)))], ["n"]))
    assert np.bincount(default.assign(rows)).tolist() == pytest.approx([2000, 1000], abs=100)
    assert partition.output_partition(None, ["train", "eval"]) is None
    given_splits = partition.output_partition(output(("a", 1), ("b", 2), ("c", 3)), ["single_split"])
    assert given_splits is not None
    assert given_splits.names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("output_config", "input_splits", "message"),
    [
        (output(("a", 1)), ["x", "y"], "expected no output splits, because the input is already in splits"),
        (output(("a/b", 1)), ["x"], "expected a split name of letters, digits, '_' and '-', received name='a/b'"),
        (output(("a", 1), ("a", 1)), ["x"], "expected every split name once, received a several times"),
        (
            output(("a", 1), ("b", 0)),
            ["x"],
            "expected at least one hash bucket for every output split, received a: 1, b: 0",
        ),
        (None, ["x", "x"], "expected every split name once, received x several times"),
    ],
)
def test_splits_that_cannot_be(output_config: config.Output | None, input_splits: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        partition.output_partition(output_config, input_splits)
    assert message in str(caught.value)
