"""Serialized tf.Examples to Arrow record batches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns, tf_decode

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.io.tfrecord import RecordBlock


class Decoder:
    """Decodes blocks of serialized tf.Examples to batches in tf.Example form (an empty list counts as missing).

    Args:
        schema: a tensorflow_metadata Schema; then exactly its features are returned, in its order and types. Without
            it, all features that occur, with the types that occur.
    """

    def __init__(self, schema: Any = None) -> None:
        # TensorFlow's parser is ten times as fast, but only worth it where TensorFlow has been imported anyway.
        self._kinds = tf_decode.feature_kinds(schema) if schema is not None and "tensorflow" in sys.modules else None
        from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

        self._has_schema = schema is not None
        self._decoder = ExamplesToRecordBatchDecoder(None if schema is None else schema.SerializeToString())

    def decode(self, block: RecordBlock, where: str = "") -> pa.RecordBatch:
        """Returns one row per record. Raises DataError if a record is not a tf.Example, or not as the schema says."""
        return self.decode_records(block.records(), where, block.first)

    def decode_records(self, records: list[bytes], where: str = "", first: int = 0) -> pa.RecordBatch:
        """The same for separate byte strings."""
        try:
            if self._kinds is not None:
                return tf_decode.decode_records(records, self._kinds)
            return columns.empty_to_null(self._decoder.DecodeBatch(records), keep_types=self._has_schema)
        except (RuntimeError, ValueError, DataError) as error:
            place = f"{where}, records {first} to {first + len(records) - 1}: " if where else ""
            raise DataError(f"{place}expected serialized tf.Examples: {error}") from error
