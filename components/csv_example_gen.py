"""CsvExampleGen: CSV files to examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tfx.ingestion import FileBasedExampleGen, Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit

_ARGUMENTS = ("input_base", "input_config", "output_config", "range_config")


class CsvExampleGen(FileBasedExampleGen, first=_ARGUMENTS):
    """Reads CSV files and divides their rows into splits, as TFX's component of the same name does.

    Every file has a header line, the same in all files of a split. Quoted cells may contain delimiters and line breaks;
    blank lines are skipped; an empty cell is a missing value. A column's type is inferred over all rows: INT if every
    cell is an integer of 64 bits, else FLOAT if every cell is a number, else STRING (bytes, UTF-8).

    Rows are divided by the SHA-256 of the serialized example, so a row always lands in the same split. Files
    compressed with gzip, bzip2 or Zstandard are decompressed.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are. Patterns may have ``{SPAN}`` or ``{YYYY}``, ``{MM}`` and ``{DD}``, and ``{VERSION}``.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        range_config: which spans to read, one artifact each; by default the latest.
        custom_config: as in FileBasedExampleGen.
        output_data_format: FORMAT_TF_EXAMPLE or FORMAT_PARQUET.
        output_file_format: TFRecord (gzip) of tf.Example, or Parquet with plain typed columns.
        custom_executor_spec: as in FileBasedExampleGen.
        delimiter: the character between cells.
        column_names: names of the columns; if given, the files have no header line.
        column_types: types of single columns, instead of inferring them: ``{"zip": "STRING"}``.
    """

    EXECUTION_TYPE = "tfx.components.example_gen.csv_example_gen.component.CsvExampleGen"

    delimiter: str = ","
    column_names: tuple[str, ...] = ()
    column_types: dict[str, str] = {}  # noqa: RUF012  # the default of a parameter, never changed

    def check(self) -> Iterable[str]:
        """A delimiter or output that cannot be, and what FileBasedExampleGen checks."""
        yield from super().check()
        if len(self.delimiter.encode()) != 1 or self.delimiter in '"\r\n':
            yield f"expected a delimiter of one ASCII character, received delimiter={self.delimiter!r}"
        if self.output_data_format.name not in ("FORMAT_TF_EXAMPLE", "FORMAT_PARQUET"):
            yield f"expected FORMAT_TF_EXAMPLE or FORMAT_PARQUET, received {self.output_data_format!r}"

    def read(self, split: InputSplit) -> Source:
        """Checks all files of a split at once; returns their rows, to be read."""
        from mlops_tfx.io import csv_files, csv_inspect

        csv_format = csv_files.CsvFormat(self.delimiter, self.column_names, self.column_types)
        table = csv_inspect.inspect_csv(split.files, csv_format)
        return Source(csv_files.read_csv(table), table.rows)
