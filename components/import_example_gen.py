"""ImportExampleGen: examples that are there already, as TFRecord files of any payload or as Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tfx import config
from mlops_tfx.ingestion import FileBasedExampleGen, Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit

_ARGUMENTS = ("input_base", "input_config", "output_config", "range_config", "payload_format")


class ImportExampleGen(FileBasedExampleGen, first=_ARGUMENTS):
    """Reads TFRecord files (plain or gzip), or Parquet files, and divides their rows into splits.

    Rows are divided by the SHA-256 of the serialized example, so a row always lands in the same split, whatever the
    format. Serialized examples keep what is in them; their features are put in order of name. The bytes of
    FORMAT_PROTO stay as they are.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are. Patterns may have ``{SPAN}`` or ``{YYYY}``, ``{MM}`` and ``{DD}``, and ``{VERSION}``.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        range_config: which spans to read, one artifact each; by default the latest.
        payload_format: what the records hold: FORMAT_TF_EXAMPLE, FORMAT_TF_SEQUENCE_EXAMPLE or FORMAT_PROTO (bytes of
            any kind) for TFRecord files, FORMAT_PARQUET for Parquet files.
        custom_config: as in FileBasedExampleGen.
        output_data_format: not used; the output holds what the input does.
        max_corrupt_records: how many corrupt records (a wrong checksum, or not what ``payload_format`` says) are left
            out of an input split of TFRecord files; one more is an error. The number is in the artifact's custom
            property ``corrupt_records``, and which they are, in the log.
        output_file_format: TFRecord (gzip), or Parquet instead of tf.Example; by default as the input.
        custom_executor_spec: as in FileBasedExampleGen.
    """

    EXECUTION_TYPE = "tfx.components.example_gen.import_example_gen.component.ImportExampleGen"

    payload_format: config.PayloadFormat = config.PayloadFormat.FORMAT_TF_EXAMPLE
    max_corrupt_records: int = 0

    def storage(self) -> tuple[config.PayloadFormat, config.FileFormat]:
        """As the input, unless ``output_file_format`` says otherwise."""
        parquet = self.payload_format == config.PayloadFormat.FORMAT_PARQUET
        if parquet and self.output_file_format == config.FileFormat.FORMAT_TFRECORDS_GZIP:
            return config.PayloadFormat.FORMAT_TF_EXAMPLE, self.output_file_format
        return self.payload_format, self.output_file_format

    def check(self) -> Iterable[str]:
        """What FileBasedExampleGen checks."""
        yield from super().check()
        if self.max_corrupt_records < 0:
            yield f"expected max_corrupt_records of at least 0, received {self.max_corrupt_records}"
        if self.output_data_format not in (config.PayloadFormat.FORMAT_TF_EXAMPLE, self.payload_format):
            yield (
                f"expected payload_format to say what the records hold, received payload_format="
                f"{self.payload_format!r} and output_data_format={self.output_data_format!r}"
            )

    def read(self, split: InputSplit) -> Source:
        """Returns the rows of a split, to be read."""
        from mlops_tfx.io import import_files, records

        if self.payload_format == config.PayloadFormat.FORMAT_PARQUET:
            return Source(import_files.read_parquet(split), lambda: import_files.count_rows(split, True))
        tolerance = records.Tolerance(self.max_corrupt_records)
        return Source(
            import_files.read_tfrecords(split, self.payload_format.name, tolerance),
            lambda: import_files.count_rows(split, False) - len(tolerance.errors),
            lambda: tolerance.errors,
        )
