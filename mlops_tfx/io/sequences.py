"""Serialized tf.SequenceExamples to Arrow record batches, as tfx_bsl makes them.

Context features are columns as in tf.Example form. Sequence features are the fields of one struct column named
``##SEQUENCE##``; each is a list (steps) of lists (values of a step).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.io.tfrecord import RecordBlock

SEQUENCE_COLUMN = "##SEQUENCE##"


class SequenceDecoder:
    """Decodes blocks of records.

    Args:
        schema: a tensorflow_metadata Schema, in which the feature ``##SEQUENCE##`` has the sequence features in its
            struct_domain; then exactly its features are returned. Without it, all features that occur.
    """

    def __init__(self, schema: Any = None) -> None:
        from tfx_bsl.coders.sequence_example_coder import SequenceExamplesToRecordBatchDecoder

        serialized = () if schema is None else (schema.SerializeToString(),)
        self._decoder = SequenceExamplesToRecordBatchDecoder(SEQUENCE_COLUMN, *serialized)

    def decode(self, block: RecordBlock, where: str = "") -> pa.RecordBatch:
        """Returns one row per record of a block; errors as for `decode_records`."""
        return self.decode_records(block.records(), where, block.first)

    def decode_records(self, records: list[bytes], where: str = "", first: int = 0) -> pa.RecordBatch:
        """Returns one row per record. Raises DataError if a record is not a tf.SequenceExample."""
        try:
            return self._decoder.DecodeBatch(records)
        except (RuntimeError, ValueError) as error:
            place = f"{where}, records {first} to {first + len(records) - 1}: " if where else ""
            raise DataError(f"{place}expected serialized tf.SequenceExamples: {error}") from error


def decode(records: list[bytes], where: str = "", first: int = 0) -> pa.RecordBatch:
    """All features of some records; errors as for `SequenceDecoder.decode_records`."""
    return SequenceDecoder().decode_records(records, where, first)
