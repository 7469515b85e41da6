"""Serialized tf.Examples, and bytes of any kind, to Arrow record batches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns, lockstep, schemas, tf_decode

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.io.tfrecord import RecordBlock

RAW_RECORD_COLUMN = "__raw_record__"  # TFMA's name for it


class Decoder:
    """Decodes blocks of serialized tf.Examples to batches in tf.Example form (an empty list counts as missing).

    Args:
        schema: a tensorflow_metadata Schema; then exactly its features are returned, in its order and types. Without
            it, all features that occur, with the types that occur.
        names: without a schema, features that are needed; others may be left out.
    """

    def __init__(self, schema: Any = None, names: Sequence[str] | None = None) -> None:
        self._schema = schema
        wanted = names if schema is None else [feature.name for feature in schema.feature]
        self._wanted = None if wanted is None else frozenset(wanted)
        # TensorFlow's parser is ten times as fast as tfx_bsl's, but only worth it where TensorFlow is there anyway.
        self._kinds = tf_decode.feature_kinds(schema) if schema is not None and "tensorflow" in sys.modules else None

    def decode(self, block: RecordBlock, where: str = "") -> pa.RecordBatch:
        """Returns one row per record. Raises DataError if a record is not a tf.Example, or not as the schema says."""
        try:
            batch = lockstep.decode_block(block, self._wanted)
        except lockstep.IrregularError:
            return self.decode_records(block.records(), where, block.first)
        return batch if self._schema is None else schemas.conform(batch, self._schema, where)

    def decode_records(self, records: list[bytes], where: str = "", first: int = 0) -> pa.RecordBatch:
        """The same for separate byte strings, in whatever order their features are."""
        try:
            if self._kinds is not None:
                return tf_decode.decode_records(records, self._kinds)
            return columns.empty_to_null(self._general.DecodeBatch(records), keep_types=self._schema is not None)
        except (RuntimeError, ValueError, DataError) as error:
            place = f"{where}, records {first} to {first + len(records) - 1}: " if where else ""
            raise DataError(f"{place}expected serialized tf.Examples: {error}") from error

    @cached_property
    def _general(self) -> Any:
        from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

        return ExamplesToRecordBatchDecoder(None if self._schema is None else self._schema.SerializeToString())


class RawDecoder:
    """Takes blocks of records of any kind as one column of bytes, a list of one value per row.

    Args:
        schema: must be None: bytes have no features.
    """

    def __init__(self, schema: Any = None) -> None:
        if schema is not None:
            raise DataError("expected no schema for FORMAT_PROTO, whose records are bytes without features")

    def decode(self, block: RecordBlock, where: str = "") -> pa.RecordBatch:
        """Returns one row per record."""
        import pyarrow as pa

        records = block.array().cast(pa.large_binary())
        offsets = pa.array(range(len(records) + 1), pa.int64())
        column = pa.LargeListArray.from_arrays(offsets, records)
        return pa.RecordBatch.from_arrays([column], [RAW_RECORD_COLUMN])
