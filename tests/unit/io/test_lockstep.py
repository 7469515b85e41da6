from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_tfx.io import columns, example_proto, lockstep, wire
from mlops_tfx.io.tfrecord import RecordBlock
from tests.unit.io.batches import batches, rows_of


def block_of(records: list[bytes]) -> RecordBlock:
    """Records between the eight bytes before and the four after that a TFRecord has."""
    data, starts, stops = b"", [], []
    for record in records:
        data += b"\xff" * 12
        starts.append(len(data))
        data += record
        stops.append(len(data))
        data += b"\xff" * 4
    return RecordBlock(data, np.array(starts, np.int64), np.array(stops, np.int64), 0)


def general(records: list[bytes]) -> pa.RecordBatch:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    return columns.empty_to_null(ExamplesToRecordBatchDecoder(None).DecodeBatch(records))


@settings(max_examples=300, deadline=None)
@given(batches())
def test_what_the_writer_writes_is_decoded(batch: pa.RecordBatch) -> None:
    records = wire.encode_examples(batch).to_pylist()
    decoded = lockstep.decode_block(block_of(records))
    assert decoded.schema.names == sorted(batch.schema.names)
    assert rows_of(decoded) == rows_of(batch)
    theirs = general(records)
    assert dict(zip(theirs.schema.names, theirs.schema.types, strict=True)) == dict(
        zip(decoded.schema.names, decoded.schema.types, strict=True)
    )
    assert rows_of(decoded) == rows_of(theirs)


@settings(max_examples=500, deadline=None)
@given(batches(max_rows=3), st.data())
def test_damaged_records_are_refused_or_decoded_as_tfx_bsl_does(batch: pa.RecordBatch, data: st.DataObject) -> None:
    records = wire.encode_examples(batch).to_pylist()
    row = data.draw(st.integers(0, len(records) - 1))
    record = bytearray(records[row])
    place = data.draw(st.integers(0, len(record) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if change == "flip":
        record[place] = data.draw(st.integers(0, 255))
    elif change == "cut":
        del record[place : place + data.draw(st.integers(1, 3))]
    else:
        record[place:place] = data.draw(st.binary(min_size=1, max_size=3))
    records[row] = bytes(record)
    # What is accepted is right, and what is in order is canonical.
    with contextlib.suppress(lockstep.IrregularError):
        decoded = lockstep.decode_block(block_of(records))
        assert rows_of(decoded) == rows_of(general(records))
        if wire.is_ordered(decoded.schema.names):
            assert [example_proto.canonical_bytes(record) for record in records] == records


def serialized(*features: tuple[str, str, list[object]]) -> bytes:
    example = example_proto.example_class()()
    for name, kind, values in features:
        entry = example.features.feature.add(key=name)
        getattr(entry.value, kind).value.extend(values)
    return bytes(example.SerializeToString())


N1, N2 = ("n", "int64_list", [1]), ("n", "int64_list", [2])
TEXT = ("s", "bytes_list", [b"x"])


@pytest.mark.parametrize(
    "records",
    [
        [serialized(N1, TEXT), serialized(TEXT, N1)],  # another order
        [serialized(N1, TEXT), serialized(N1)],  # a feature less
        [serialized(N1), serialized(N1, TEXT)],  # a feature more
        [serialized(N1), serialized(("n", "float_list", [1.0]))],  # another type
        [serialized(N1), serialized(("m", "int64_list", [1]))],  # another name
        [serialized(N1, N2)],  # one name twice
        [b""],
        [b"\x0a\x00"],
        [serialized(N1) + b"\x12\x00"],  # an unknown field
        [serialized(TEXT), b"\x0a\x08\x0a\x06\x0a\x01n\x12\x01\x1a"],  # cut within a feature
        [b"\x0a\x0b\x0a\x09\x0a\x01n\x12\x04\x1a\x02\x08\x05"],  # numbers that are not packed
        [b"\x0a\x09\x0a\x07\x0a\x01\xff\x12\x02\x1a\x00"],  # a key that is not UTF-8
        [serialized(("s", "bytes_list", [b"x"] * 100))],  # very many strings
    ],
)
def test_irregular_blocks_are_refused(records: list[bytes]) -> None:
    with pytest.raises(lockstep.IrregularError):
        lockstep.decode_block(block_of(records))


@example([2**63 - 1, -1, -(2**63)])
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_integers_of_every_length(values: list[int]) -> None:
    single = [serialized(("n", "int64_list", [value])) for value in values]
    assert lockstep.decode_block(block_of(single)).column(0).to_pylist() == [[value] for value in values]
    many = serialized(("n", "int64_list", list(values)))
    assert lockstep.decode_block(block_of([many])).column(0).to_pylist() == [values]


def test_long_names_and_long_records() -> None:
    names = ["k" * size for size in (1, 5, 8, 9, 127, 128, 20_000)]
    arrays = [pa.array([[b"v" * 300], [b"w" * 70_000]], pa.large_list(pa.large_binary())) for _ in names]
    batch = pa.RecordBatch.from_arrays(arrays, names)
    decoded = lockstep.decode_block(block_of(wire.encode_examples(batch).to_pylist()))
    assert rows_of(decoded) == rows_of(batch)


def test_only_what_is_wanted() -> None:
    decoded = lockstep.decode_block(block_of([serialized(N1, TEXT)] * 2), {"s"})
    assert decoded.schema.names == ["s"]
    assert decoded.column(0).to_pylist() == [[b"x"], [b"x"]]
