"""ImportExampleGen: examples that are there already, as TFRecords of tf.Example or as Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component, Output

_READABLE = (config.PayloadFormat.FORMAT_TF_EXAMPLE, config.PayloadFormat.FORMAT_PARQUET)


class ImportExampleGen(Component):
    """Reads TFRecord files (plain or gzip) of tf.Example, or Parquet files, and divides their rows into splits.

    Rows are divided by the SHA-256 of the serialized example, so a row always lands in the same split, whatever the
    format. Serialized examples keep what is in them; their features are put in order of name.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        range_config: which spans to read; not supported yet.
        payload_format: FORMAT_TF_EXAMPLE for TFRecord files, FORMAT_PARQUET for Parquet files.
        output_file_format: TFRecord (gzip) of tf.Example, or Parquet; by default as the input.
    """

    input_base: str
    input_config: config.Input | None = None
    output_config: config.Output | None = None
    range_config: config.RangeConfig | None = None
    payload_format: config.PayloadFormat = config.PayloadFormat.FORMAT_TF_EXAMPLE
    output_file_format: config.FileFormat = config.FileFormat.FILE_FORMAT_UNSPECIFIED

    examples = Output(Examples)

    def check(self) -> Iterable[str]:
        if self.range_config is not None:
            yield "range_config is not supported yet; name the folder of one span in input_base or in the patterns"
        if self.payload_format not in _READABLE:
            names = " or ".join(payload.name for payload in _READABLE)
            yield f"expected payload_format {names}, received {self.payload_format!r}"

    def cache_ingredients(self) -> Mapping[str, str]:
        from mlops_tfx.io import inputs

        return inputs.ingredients(inputs.find_input(self.input_base, self.input_config))

    def run(self) -> None:
        from mlops_tfx.io import import_files, ingest, inputs, partition

        found = inputs.find_input(self.input_base, self.input_config)
        division = partition.output_partition(self.output_config, [split.name for split in found])
        parquet = self.payload_format == config.PayloadFormat.FORMAT_PARQUET
        read = import_files.read_parquet if parquet else import_files.read_tfrecords
        written = ingest.write_splits(
            self.examples,
            {split.name: read(split) for split in found},
            division,
            ingest.file_format_name(self._output_format()),
            self.context.report_rows,
        )
        ingest.check_rows(sum(import_files.count_rows(split, parquet) for split in found), written)
        ingest.set_input_properties(self.examples, found)

    def _output_format(self) -> config.FileFormat:
        if self.output_file_format != config.FileFormat.FILE_FORMAT_UNSPECIFIED:
            return self.output_file_format
        if self.payload_format == config.PayloadFormat.FORMAT_PARQUET:
            return config.FileFormat.FILE_FORMAT_PARQUET
        return config.FileFormat.FORMAT_TFRECORDS_GZIP
