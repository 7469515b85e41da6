"""TensorFlow's parser against tfx_bsl's decoder, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns, tf_decode
from mlops_tfx.io.wire import encode_examples
from tests.golden.statistics.real_data import flights_sample, to_batch


def schema_of(**kinds: int) -> Any:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    for name, kind in kinds.items():
        schema.feature.add(name=name, type=kind)
    return schema


def by_tfx_bsl(records: list[bytes], schema: Any) -> Any:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    batch = ExamplesToRecordBatchDecoder(schema.SerializeToString()).DecodeBatch(records)
    return columns.empty_to_null(batch, keep_types=True)


def test_real_rows_decode_as_with_tfx_bsl() -> None:
    frame = flights_sample(2000)[["month", "distance", "temp", "wind_gust", "carrier", "tailnum"]]
    frame["nowhere"] = None
    records = encode_examples(to_batch(frame)).to_pylist()
    schema = schema_of(tailnum=1, temp=3, month=2, absent=2, wind_gust=3, nowhere=1)
    kinds = tf_decode.feature_kinds(schema)
    assert kinds is not None
    got, expected = tf_decode.decode_records(records, kinds), by_tfx_bsl(records, schema)
    assert got.schema == expected.schema and got.equals(expected)
    got.validate(full=True)
    assert got.column(0).to_pylist() == [None if value != value else [value.encode()] for value in frame["tailnum"]]
    temp = [np.nan if values is None else values[0] for values in got.column(1).to_pylist()]
    np.testing.assert_array_equal(np.float32(temp), frame["temp"].to_numpy(np.float32))


def test_lists_and_odd_records_decode_as_with_tfx_bsl() -> None:
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["n"].int64_list.value.extend([1, -2, 2**62])
    example.features.feature["x"].float_list.SetInParent()
    example.features.feature["s"].bytes_list.value.extend([b"", "\u00e9".encode(), b"\0\xff"])
    records = [example.SerializeToString(), b"", example.SerializeToString()]
    schema = schema_of(n=2, x=3, s=1)
    got = tf_decode.decode_records(records, tf_decode.feature_kinds(schema) or {})
    assert got.equals(by_tfx_bsl(records, schema))
    assert got.column(0).to_pylist() == [[1, -2, 2**62], None, [1, -2, 2**62]]


def test_wrong_records_are_refused() -> None:
    import tensorflow as tf

    with pytest.raises(DataError, match="Could not parse example"):
        tf_decode.decode_records([b"no example"], {"n": "INT"})
    example = tf.train.Example()
    example.features.feature["n"].float_list.value.append(1)
    with pytest.raises(DataError, match=r"^Key: n.*Expected type: int64, Actual type: float"):
        tf_decode.decode_records([example.SerializeToString()], {"n": "INT"})


def test_schemas_with_other_types_are_left_to_tfx_bsl() -> None:
    assert tf_decode.feature_kinds(schema_of(n=2, nested=4)) is None
    assert tf_decode.feature_kinds(schema_of()) is None
