from __future__ import annotations

import pyarrow as pa
import pytest

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns


def convert(column: pa.Array) -> pa.Array:
    return columns.to_example_form(pa.RecordBatch.from_arrays([column], ["x"])).column(0)


@pytest.mark.parametrize(
    ("column", "value_type", "expected"),
    [
        (pa.array([1, None, 3], pa.int8()), pa.int64(), [[1], None, [3]]),
        (pa.array([2**63 - 1], pa.uint64()), pa.int64(), [[2**63 - 1]]),
        (pa.array([True, False, None]), pa.int64(), [[1], [0], None]),
        (pa.array([0, 0]), pa.int64(), [[0], [0]]),
        (pa.array([1.5, None, 1e300]), pa.float32(), [[1.5], None, [float("inf")]]),
        (pa.array(["é", "", None]), pa.large_binary(), [["é".encode()], [b""], None]),
        (pa.array([b"ab"], pa.binary(2)), pa.large_binary(), [[b"ab"]]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), pa.large_binary(), [[b"a"], [b"b"], [b"a"], None]),
        (pa.array([[1, 2], [], None, [3]], pa.list_(pa.int32())), pa.int64(), [[1, 2], None, None, [3]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.float64(), 2)), pa.float32(), [[1.0, 2.0], [3.0, 4.0]]),
        (pa.array([["a"], ["b", "c"]], pa.large_list(pa.large_string())), pa.large_binary(), [[b"a"], [b"b", b"c"]]),
        (pa.array([1, 2, 3, 4])[1:3], pa.int64(), [[2], [3]]),
        (pa.array([[1], [2, 3], [4]])[1:], pa.int64(), [[2, 3], [4]]),
    ],
)
def test_plain_columns_become_lists(column: pa.Array, value_type: pa.DataType, expected: list[object]) -> None:
    converted = convert(column)
    assert converted.type == pa.large_list(value_type)
    assert converted.to_pylist() == expected


@pytest.mark.parametrize(
    "column", [pa.nulls(2), pa.array([None, None], pa.string()), pa.array([[], []], pa.list_(pa.int64()))]
)
def test_columns_without_values_have_type_null(column: pa.Array) -> None:
    assert convert(column).type == pa.null()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([{"a": 1}]), r"column 'x': expected values or lists of values, received a structure \(x.a\)"),
        (pa.array([[[1]]]), r"column 'x': expected numbers.* received type=list<item: int64>"),
        (pa.array([2**63], pa.uint64()), r"column 'x': a value of type uint64 does not fit into int64"),
        (pa.array([[1, None]]), r"column 'x': expected lists without nulls inside, received 1 nulls"),
    ],
)
def test_columns_that_cannot_be_features(column: pa.Array, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(column)


def test_concat_types_what_one_part_knows() -> None:
    first = pa.RecordBatch.from_arrays([pa.nulls(1), pa.array([[1]], pa.large_list(pa.int64()))], ["a", "b"])
    second = pa.RecordBatch.from_arrays([pa.array([[b"x"]], pa.large_list(pa.large_binary()))], ["a"])
    whole = columns.concat([first, second])
    assert whole.to_pylist() == [{"a": None, "b": [1]}, {"a": [b"x"], "b": None}]
    third = pa.RecordBatch.from_arrays([pa.array([[1.0]], pa.large_list(pa.float32()))], ["b"])
    with pytest.raises(DataError, match="column 'b': expected values of one type"):
        columns.concat([first, third])
