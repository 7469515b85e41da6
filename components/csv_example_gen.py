"""CsvExampleGen: CSV files to examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component, Output


class CsvExampleGen(Component):
    """Reads CSV files and divides their rows into splits, as TFX's component of the same name does.

    Every file has a header line, the same in all files of a split. Quoted cells may contain delimiters and line breaks;
    blank lines are skipped; an empty cell is a missing value. A column's type is inferred over all rows: INT if every
    cell is an integer of 64 bits, else FLOAT if every cell is a number, else STRING (bytes, UTF-8).

    Rows are divided by the SHA-256 of the serialized example, so a row always lands in the same split.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        range_config: which spans to read; not supported yet.
        delimiter: the character between cells.
        column_names: names of the columns; if given, the files have no header line.
        column_types: types of single columns, instead of inferring them: ``{"zip": "STRING"}``.
        output_file_format: TFRecord (gzip) of tf.Example, or Parquet with plain typed columns.
    """

    input_base: str
    input_config: config.Input | None = None
    output_config: config.Output | None = None
    range_config: config.RangeConfig | None = None
    delimiter: str = ","
    column_names: tuple[str, ...] = ()
    column_types: dict[str, str] = {}  # noqa: RUF012  # the default of a parameter, never changed
    output_file_format: config.FileFormat = config.FileFormat.FORMAT_TFRECORDS_GZIP

    examples = Output(Examples)

    def check(self) -> Iterable[str]:
        if self.range_config is not None:
            yield "range_config is not supported yet; name the folder of one span in input_base or in the patterns"
        if len(self.delimiter.encode()) != 1 or self.delimiter in '"\r\n':
            yield f"expected a delimiter of one ASCII character, received delimiter={self.delimiter!r}"

    def cache_ingredients(self) -> Mapping[str, str]:
        from mlops_tfx.io import inputs

        return inputs.ingredients(inputs.find_input(self.input_base, self.input_config))

    def run(self) -> None:
        from mlops_tfx.io import csv_files, csv_inspect, ingest, inputs, partition

        found = inputs.find_input(self.input_base, self.input_config)
        division = partition.output_partition(self.output_config, [split.name for split in found])
        csv_format = csv_files.CsvFormat(self.delimiter, self.column_names, self.column_types)
        # All files are checked before the first row is written.
        tables = {split.name: csv_inspect.inspect_csv(split.files, csv_format) for split in found}
        written = ingest.write_splits(
            self.examples,
            {name: csv_files.read_csv(table) for name, table in tables.items()},
            division,
            ingest.file_format_name(self.output_file_format),
            self.context.report_rows,
        )
        ingest.check_rows(sum(table.rows for table in tables.values()), written)
        ingest.set_input_properties(self.examples, found)
