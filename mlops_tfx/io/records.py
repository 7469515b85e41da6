"""Serialized records of every payload as rows: tf.Example, tf.SequenceExample, and bytes of any other kind.

The bytes of tf.Examples and tf.SequenceExamples become canonical, because the split of a row is the hash of its bytes
and map entries may come in any order. Other bytes stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import example_proto, lockstep, tfrecord, wire
from mlops_tfx.io.rows import Rows

if TYPE_CHECKING:
    from mlops_tfx.io.tfrecord import RecordBlock

TF_EXAMPLE = "FORMAT_TF_EXAMPLE"
SEQUENCE_EXAMPLE = "FORMAT_TF_SEQUENCE_EXAMPLE"
PROTO = "FORMAT_PROTO"
PARQUET = "FORMAT_PARQUET"


class SequenceRows(Rows):
    """Rows of tf.SequenceExamples: context features as columns, sequence features below one struct column."""

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """The rows as tfx_bsl decodes them."""
        from mlops_tfx.io import sequences

        return sequences.decode(self.records.to_pylist(), self.where, self.first)


class RawRows(Rows):
    """Rows of bytes that nobody looks into."""

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """One column of bytes."""
        raise DataError(f"{self.where}: expected records with features, received {PROTO}, whose bytes have no columns")


class Tolerance:
    """Counts corrupt records, up to a limit.

    Attributes:
        limit: how many are put up with.
        errors: what was wrong, one message per record.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.errors: list[str] = []

    def skip(self, error: DataError) -> None:
        """Takes note of a record. Raises the error if it is one too many."""
        if len(self.errors) >= self.limit:
            before = f" ({self.limit} corrupt records before it were left out)" if self.limit else ""
            raise DataError(f"{error}{before}") from error
        self.errors.append(str(error))


def rows_of_block(
    block: RecordBlock, payload: str, where: str, skip: Callable[[DataError], None] | None = None
) -> Rows:
    """Rows of consecutive records of a file.

    Args:
        block: the records.
        payload: what they hold.
        where: the file.
        skip: called for every record that is not what ``payload`` says, which is left out; by default it is raised.

    Raises:
        DataError: a record is not what ``payload`` says; names file and record.
    """
    if payload == PROTO:
        return RawRows(records=block.array(), where=where, first=block.first)
    if payload == SEQUENCE_EXAMPLE:
        canonical = _canonical(block, where, example_proto.canonical_sequence_bytes, "tf.SequenceExample", skip)
        return SequenceRows(records=canonical, where=where, first=block.first)
    return _examples(block, where, skip)


def rows_of_array(array: pa.Array, payload: str, where: str, first: int = 0) -> Rows:
    """Rows of an Arrow array of serialized records; errors as for `rows_of_block`."""
    if not wire.is_bytes(array.type):
        raise DataError(f"{where}: expected arrays of serialized records (bytes), received type={array.type}")
    if array.null_count:
        raise DataError(f"{where}: expected a record in every row, received {array.null_count} nulls")
    offsets = wire.binary_offsets(array).astype(np.int64)
    data = array.buffers()[2]
    raw = data.to_pybytes() if data is not None else b""
    return rows_of_block(tfrecord.RecordBlock(raw, offsets[:-1], offsets[1:], first), payload, where)


def _examples(block: RecordBlock, where: str, skip: Callable[[DataError], None] | None) -> Rows:
    try:
        batch = lockstep.decode_block(block)
    except lockstep.IrregularError:
        batch = None
    if batch is not None and wire.is_ordered(batch.schema.names):
        return Rows(batch, block.array(), where, block.first)
    canonical = _canonical(block, where, example_proto.canonical_bytes, "tf.Example", skip)
    return Rows(batch, canonical, where, block.first)


def _canonical(
    block: RecordBlock,
    where: str,
    make: Callable[[bytes], bytes],
    kind: str,
    skip: Callable[[DataError], None] | None,
) -> pa.BinaryArray:
    from google.protobuf.message import DecodeError

    done: list[bytes] = []
    for number, record in enumerate(block.records(), block.first):
        try:
            done.append(make(record))
        except DecodeError as cause:
            error = DataError(
                f"{where}: record {number} is not a serialized {kind} ({cause}); say what records hold "
                f"(payload_format of ImportExampleGen), or pass FORMAT_PARQUET for Parquet files"
            )
            if skip is None:
                raise error from cause
            skip(error)
    return pa.array(done, pa.binary())
