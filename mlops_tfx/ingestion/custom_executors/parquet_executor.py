"""Reads Parquet files in a FileBasedExampleGen; TFX has its class ``Executor`` in a module of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.ingestion.source import Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


def read_parquet(split: InputSplit) -> Source:
    """Returns the rows of the Parquet files of a split, to be read; see `mlops_tfx.io.import_files.read_parquet`."""
    from mlops_tfx.io import import_files

    return Source(import_files.read_parquet(split), lambda: import_files.count_rows(split, True))


Executor = read_parquet
