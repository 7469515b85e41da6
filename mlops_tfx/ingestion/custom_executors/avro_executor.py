"""Reads Avro files in a FileBasedExampleGen; TFX has its class ``Executor`` in a module of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.ingestion.source import Source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit


def read_avro(split: InputSplit) -> Source:
    """Returns the rows of the Avro files of a split, to be read; see `mlops_tfx.io.avro.read_avro`."""
    from mlops_tfx.io import avro

    return Source(avro.read_avro(split), lambda: avro.count_rows(split))


Executor = read_avro
