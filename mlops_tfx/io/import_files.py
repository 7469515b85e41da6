"""Files that hold examples already: TFRecords of any payload, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlops_tfx.io import agreement, parquet, records, tfrecord
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.rows import Rows

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


def read_tfrecords(
    split: InputSplit, payload: str = records.TF_EXAMPLE, tolerance: records.Tolerance | None = None
) -> Iterator[Rows]:
    """Reads TFRecord files (plain or gzip), in order.

    Args:
        split: the files.
        payload: what a record holds: ``FORMAT_TF_EXAMPLE``, ``FORMAT_TF_SEQUENCE_EXAMPLE`` or ``FORMAT_PROTO``.
        tolerance: counts records that are corrupt, which are left out; by default the first one is an error.

    Raises:
        DataError: a file is damaged, or a record is not what ``payload`` says; names file and record.
    """
    skip = tolerance.skip if tolerance is not None else None
    for path in split.files:
        blocks = tfrecord.read_blocks(
            path, max_rows=examples_io.BATCH_ROWS, max_bytes=examples_io.BATCH_BYTES, on_damaged=skip
        )
        for block in blocks:
            yield records.rows_of_block(block, payload, path, skip)


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
