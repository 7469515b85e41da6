"""Rows on their way through an ExampleGen: as a record batch, as serialized tf.Examples, or both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from mlops_tfx.io import wire

if TYPE_CHECKING:
    import pyarrow as pa


class Rows:
    """Some rows. Give what there is; the other form is made when it is asked for.

    Args:
        batch: the rows in tf.Example form.
        records: the same rows as canonical serialized tf.Examples.
        where: their file, for error messages.
        first: number of the first row in that file.
    """

    def __init__(
        self,
        batch: pa.RecordBatch | None = None,
        records: pa.BinaryArray | None = None,
        where: str = "",
        first: int = 0,
    ) -> None:
        if batch is None and records is None:
            raise ValueError("expected a batch or records, received neither")
        self._batch = batch
        self._records = records
        self.where = where
        self.first = first

    def __len__(self) -> int:
        return int(self._batch.num_rows) if self._batch is not None else len(self.records)

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """The rows in tf.Example form."""
        if self._batch is not None:
            return self._batch
        from mlops_tfx.io import decode

        return decode.Decoder().decode_records(self.records.to_pylist(), self.where, self.first)

    @cached_property
    def records(self) -> pa.BinaryArray:
        """The rows as canonical serialized tf.Examples."""
        return wire.encode_examples(self._batch) if self._records is None else self._records
