"""Rows that cannot become the tensors that the schema describes; row lengths against a straight loop."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.errors import DataError
from mlops_tfx.transformation import tensors
from mlops_tfx.transformation.raw_batches import RawBatches

FEATURES = """
feature { name: "v" type: INT } feature { name: "outer" type: INT } feature { name: "inner" type: INT }
feature { name: "x" type: INT } feature { name: "y" type: INT } feature { name: "d" type: INT }
"""
NESTED = """ragged_tensor { feature_path { step: "v" }
    partition { row_length: "outer" } partition { row_length: "inner" } }"""
PAIRS = """ragged_tensor { feature_path { step: "v" }
    partition { row_length: "outer" } partition { uniform_row_length: 2 } }"""
GRID = """sparse_tensor { dense_shape { dim { size: 3 } dim { size: 4 } } value_column_name: "v"
    index_column_names: "x" index_column_names: "y" }"""
DEFAULT = 'dense_tensor { column_name: "d" shape { dim { size: 2 } } default_value { int_value: 1 } }'


def schema_of(representation: str) -> Any:
    from tensorflow_metadata.proto.v0 import schema_pb2

    group = 'tensor_representation_group { key: "" value { tensor_representation { key: "t" value { %s } } } }'
    return text_format.Parse(FEATURES + group % representation, schema_pb2.Schema())


def batch_of(**columns: list[Any]) -> pa.RecordBatch:
    kind = pa.large_list(pa.int64())
    return pa.RecordBatch.from_arrays([pa.array(rows, kind) for rows in columns.values()], list(columns))


def check(representation: str, **columns: list[Any]) -> pa.RecordBatch:
    config = tensors.adapter_config(schema_of(representation), ["t"])
    return RawBatches.of(config).check(batch_of(**columns), "file.gz")


WRONG = {
    "too few values": (NESTED, {"v": [[1, 2]], "outer": [[2]], "inner": [[1, 2]]}, r"row 0: 2 and 3"),
    "too few rows": (NESTED, {"v": [None, [1]], "outer": [None, [2]], "inner": [None, [1]]}, r"row 1: 1 and 2"),
    "no row lengths": (NESTED, {"v": [[1]]}, r"'v' and 'sum of inner' to fit .*row 0: 1 and 0"),
    "negative": (NESTED, {"v": [[1]], "outer": [[2]], "inner": [[-1, 2]]}, r"from 0 in 'inner', received -1"),
    "not whole": (PAIRS, {"v": [[1, 2, 3]], "outer": [[1]]}, r"'whole rows of 2' to fit .*row 0: 3 and 2"),
    "index missing": (GRID, {"v": [[1], [2]], "x": [[0], [0]], "y": [[0], None]}, r"'v' and 'y' .*row 1: 1 and 0"),
    "index too large": (GRID, {"v": [[1]], "x": [[3]], "y": [[0]]}, r"indices from 0 to 2 in 'x', received 3"),
    "index below 0": (GRID, {"v": [[1]], "x": [[0]], "y": [[-1]]}, r"indices from 0 to 3 in 'y', received -1"),
    "half a default": (DEFAULT, {"d": [None, [1]]}, r"requires 2 value\(s\) or none, but 1 of 2 rows .* \(row 1: 1\)"),
}


@pytest.mark.parametrize(("representation", "columns", "message"), WRONG.values(), ids=WRONG)
def test_rows_that_do_not_fit(representation: str, columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=rf"^file.gz: .*{message}"):
        check(representation, **columns)


def test_what_fits() -> None:
    checked = check(NESTED, v=[[1, 2, 3], None], outer=[[2, 0], [0]], inner=[[1, 2], None], x=[[1], [2]])
    assert checked.schema.names == ["v", "outer", "inner"]
    check(DEFAULT, d=[None, [1, 2]])
    check(GRID, v=[[1, 2], None], x=[[0, 2], []], y=[[3, 0], None])


rows = st.lists(st.lists(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3), max_size=3), max_size=5)


@settings(max_examples=50, deadline=None)
@given(rows, st.integers(0, 5), st.integers(0, 5))
def test_ragged_tensors_are_the_nested_lists(nested: list[list[list[list[int]]]], start: int, count: int) -> None:
    """Also those of a slice, which shares its values with the rows around it."""
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapter

    columns = {
        "v": [[v for items in row for inner in items for v in inner] for row in nested],
        "outer": [[len(items) for items in row] for row in nested],
        "inner": [[len(inner) for items in row for inner in items] for row in nested],
    }
    config = tensors.adapter_config(schema_of(NESTED), ["t"])
    for batch, expected in (
        (batch_of(**columns), nested),
        (batch_of(**columns).slice(start, count), nested[start : start + count]),
    ):
        tensor = TensorAdapter(config).ToBatchTensors(RawBatches.of(config).check(batch, "f"))["t"]
        assert tensor.to_list() == expected


def test_a_schema_that_makes_no_tensors() -> None:
    schema = schema_of(NESTED.replace("inner", "nope"))
    with pytest.raises(DataError, match="its features do not make tensors: .*nope"):
        tensors.type_specs(schema)


def test_projection_keeps_the_sources_of_a_tensor_only() -> None:
    projected = tensors.project(schema_of(NESTED), ["t", "x"])
    assert [feature.name for feature in projected.feature] == ["v", "outer", "inner", "x"]
    assert set(tensors.type_specs(projected)) == {"t", "x"}
