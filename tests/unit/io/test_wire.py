from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given

from mlops_tfx.errors import DataError
from mlops_tfx.io import example_proto, wire
from tests.unit.io.batches import batches


def straight_example(row: dict[str, list[object] | None], kinds: dict[str, str]) -> bytes:
    """One tf.Example, feature by feature serialized by protobuf, in the order of their names."""
    example = example_proto.example_class()()
    example.features.SetInParent()
    for name in sorted(row):
        entry = example.features.feature.add(key=name)
        entry.value.SetInParent()
        if row[name] is not None and kinds[name] != "null":
            field = getattr(entry.value, kinds[name])
            field.SetInParent()
            field.value.extend(row[name])
    return bytes(example.SerializeToString())


def kinds_of(batch: pa.RecordBatch) -> dict[str, str]:
    names = {"int64": "int64_list", "float": "float_list", "large_binary": "bytes_list"}
    return {
        field.name: "null" if pa.types.is_null(field.type) else names[str(field.type.value_type)]
        for field in batch.schema
    }


@given(batches())
def test_bytes_equal_those_of_protobuf(batch: pa.RecordBatch) -> None:
    kinds = kinds_of(batch)
    expected = [straight_example(row, kinds) for row in batch.to_pylist()]
    assert wire.encode_examples(batch).to_pylist() == expected


@given(batches())
def test_slices_encode_as_the_rows_they_are(batch: pa.RecordBatch) -> None:
    whole = wire.encode_examples(batch).to_pylist()
    middle = batch.num_rows // 2
    halves = [wire.encode_examples(batch.slice(0, middle)), wire.encode_examples(batch.slice(middle))]
    assert [record for half in halves for record in half.to_pylist()] == whole


@given(batches())
def test_the_same_messages_as_tfx_bsl_writes(batch: pa.RecordBatch) -> None:
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    typed = [i for i, field in enumerate(batch.schema) if not pa.types.is_null(field.type)]
    if not typed:
        return
    batch = pa.RecordBatch.from_arrays([batch.column(i) for i in typed], [batch.schema.names[i] for i in typed])
    expected = [example_proto.canonical_bytes(record) for record in RecordBatchToExamplesEncoder().encode(batch)]
    assert wire.encode_examples(batch).to_pylist() == expected


def test_the_messages_are_tensorflows() -> None:
    import tensorflow as tf

    feature = {
        "b": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x", b""])),
        "a": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, -1])),
        "é": tf.train.Feature(float_list=tf.train.FloatList(value=[])),
        "": tf.train.Feature(),
        "bb": tf.train.Feature(float_list=tf.train.FloatList(value=[-0.0, 1e38])),
    }
    theirs = tf.train.Example(features=tf.train.Features(feature=feature))
    ours = example_proto.canonical_bytes(theirs.SerializeToString())
    assert tf.train.Example.FromString(ours) == theirs
    keys = [entry.key for entry in example_proto.example_class().FromString(ours).features.feature]
    assert keys == ["", "a", "b", "bb", "é"]
    # Where no name begins with another's, all releases of protobuf agree.
    del theirs.features.feature["bb"], theirs.features.feature[""]
    ours = example_proto.canonical_bytes(theirs.SerializeToString())
    assert ours == theirs.SerializeToString(deterministic=True)


def test_of_entries_with_one_key_the_last_counts() -> None:
    def entry(key: str, value: int) -> bytes:
        example = example_proto.example_class()()
        example.features.feature.add(key=key).value.int64_list.value.append(value)
        return bytes(example.SerializeToString())

    # Parsing concatenated messages merges them.
    assert (
        example_proto.canonical_bytes(entry("b", 1) + entry("a", 2) + entry("b", 3))
        == wire.encode_examples(pa.RecordBatch.from_arrays([pa.array([[3]]), pa.array([[2]])], ["b", "a"]))[0].as_py()
    )


def test_wide_differences_in_length() -> None:
    values = [b"", b"x" * 70_000, b"y" * 127, b"z" * 128, b"w" * 20_000]
    batch = pa.RecordBatch.from_arrays([pa.array([[v] for v in values], pa.large_list(pa.large_binary()))], ["text"])
    expected = [straight_example(row, {"text": "bytes_list"}) for row in batch.to_pylist()]
    assert wire.encode_examples(batch).to_pylist() == expected


def test_values_under_null_rows_do_not_count() -> None:
    offsets = pa.array([0, 2, 3, 4], pa.int64())
    lists = pa.LargeListArray.from_arrays(offsets, pa.array([1, 2, 3, 4], pa.int64()))
    hidden = pa.Array.from_buffers(
        lists.type, 3, [pa.array([True, False, True]).buffers()[1], lists.buffers()[1]], children=[lists.values]
    )
    batch = pa.RecordBatch.from_arrays([hidden], ["x"])
    expected = [straight_example(row, {"x": "int64_list"}) for row in ({"x": [1, 2]}, {"x": None}, {"x": [4]})]
    assert wire.encode_examples(batch).to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2]), "column 'x': expected a list of int64, float32 or binary, received type=int64"),
        (pa.array([[1.5]], pa.large_list(pa.float64())), "column 'x': expected int64, float32 or binary values"),
        (pa.array([[1, None]], pa.large_list(pa.int64())), "column 'x': expected lists without nulls inside"),
    ],
)
def test_columns_that_cannot_be_features(column: pa.Array, message: str) -> None:
    with pytest.raises(DataError, match=message):
        wire.encode_examples(pa.RecordBatch.from_arrays([column], ["x"]))
