"""AvroExampleGen: Avro files to examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.ingestion import FileBasedExampleGen, Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


class AvroExampleGen(FileBasedExampleGen):
    """Reads Avro container files of records and divides their rows into splits.

    A field is a column. Booleans and integers become int64, floats and doubles float32, text, bytes, fixed and enums
    bytes, arrays of these several values; dates days, timestamps microseconds. Null is a missing value, and so is an
    empty array; zero, an empty string and false are values. Files may differ in their fields.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are. Patterns may have ``{SPAN}`` or ``{YYYY}``, ``{MM}`` and ``{DD}``, and ``{VERSION}``.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        custom_config: as in FileBasedExampleGen.
        range_config: which spans to read, one artifact each; by default the latest.
        output_data_format: FORMAT_TF_EXAMPLE or FORMAT_PARQUET.
        output_file_format: TFRecord (gzip) of tf.Example, or Parquet with plain typed columns.
        custom_executor_spec: as in FileBasedExampleGen.
    """

    def read(self, split: InputSplit) -> Source:
        """Returns the rows of a split, to be read."""
        from mlops_tfx.ingestion.custom_executors import avro_executor

        return avro_executor.read_avro(split)
