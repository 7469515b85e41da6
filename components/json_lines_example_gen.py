"""JsonLinesExampleGen: JSON Lines files to examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.ingestion import FileBasedExampleGen, Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


class JsonLinesExampleGen(FileBasedExampleGen):
    """Reads files with one JSON object per line and divides their rows into splits.

    A key is a column, whose kind is inferred over all rows: integers (exact, of 64 bits), floats (also if some are
    written as integers), text, true and false (as 1 and 0), or lists of these. Null, an absent key and an empty list
    are missing; zero, an empty string and false are values. Files may be compressed with gzip, bzip2 or Zstandard.

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
        """Checks all files of a split at once; returns their rows, to be read."""
        from mlops_tfx.io import jsonl

        table = jsonl.inspect_jsonl(split.files)
        return Source(jsonl.read_jsonl(table), table.rows)
