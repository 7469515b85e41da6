"""Files that hold examples already: TFRecords of tf.Example, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import agreement, example_proto, lockstep, parquet, tfrecord, wire
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.rows import Rows

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


def read_tfrecords(split: InputSplit) -> Iterator[Rows]:
    """Reads TFRecord files (plain or gzip) of tf.Example, in order, and puts every record into canonical form.

    Raises:
        DataError: a file is damaged, or a record is not a tf.Example; names file and record.
    """
    for path in split.files:
        blocks = tfrecord.read_blocks(path, max_rows=examples_io.BATCH_ROWS, max_bytes=examples_io.BATCH_BYTES)
        for block in blocks:
            yield _rows(block, path)


def read_parquet(split: InputSplit) -> Iterator[Rows]:
    """Reads Parquet files in order, as rows in tf.Example form.

    All files give the same columns: one that a file lacks is missing there, and what is an integer in one and a float
    in another file is a float. How types are converted: `columns.to_example_form`.

    Raises:
        DataError: a file is not Parquet or is damaged, a column cannot be a feature, or files disagree about its type;
            names file and column.
    """
    agreed = agreement.agree({path: parquet.column_types(path) for path in split.files})
    for path in split.files:
        groups = range(len(parquet.row_groups(path)))
        for batch in parquet.read_row_groups(path, groups, batch_rows=examples_io.BATCH_ROWS):
            yield Rows(batch=agreement.conform(batch, agreed), where=path)


def count_rows(split: InputSplit, is_parquet: bool) -> int:
    """Rows in the files, counted without decoding them."""
    if is_parquet:
        return sum(rows for path in split.files for rows, _ in parquet.row_groups(path))
    return sum(tfrecord.count_records(path) for path in split.files)


def _rows(block: tfrecord.RecordBlock, path: str) -> Rows:
    try:
        batch = lockstep.decode_block(block)
    except lockstep.IrregularError:
        batch = None
    if batch is not None and wire.is_ordered(batch.schema.names):
        return Rows(batch, block.array(), path, block.first)
    return Rows(batch, pa.array(_canonical(block, path), pa.binary()), path, block.first)


def _canonical(block: tfrecord.RecordBlock, path: str) -> list[bytes]:
    """Map entries may come in any order, and the split of a row must not depend on it."""
    from google.protobuf.message import DecodeError

    done: list[bytes] = []
    try:
        for record in block.records():
            done.append(example_proto.canonical_bytes(record))
    except DecodeError as error:
        raise DataError(
            f"{path}: record {block.first + len(done)} is not a serialized tf.Example ({error}); ImportExampleGen "
            f"reads tf.Example in TFRecord files, or Parquet files with payload_format FORMAT_PARQUET"
        ) from error
    return done
