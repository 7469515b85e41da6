"""From record batches to the splits of an Examples artifact: what all ExampleGens share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx import config
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import parquet, records, tfrecord
from mlops_tfx.io.columns import make_batch

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.io.partition import Partition
    from mlops_tfx.io.rows import Rows


@dataclass(frozen=True)
class Storage:
    """How an Examples artifact is stored.

    Attributes:
        payload: what records hold, such as ``FORMAT_TF_EXAMPLE``.
        file_format: ``tfrecords_gzip`` or ``parquet``.
    """

    payload: str
    file_format: str

    @classmethod
    def of(cls, payload: config.PayloadFormat, file_format: config.FileFormat) -> Storage:
        """The storage of a payload; a file format of its own choice is Parquet for Parquet, else TFRecord.

        Raises:
            ConfigError: the payload cannot be stored so.
        """
        if payload.name == records.PARQUET or file_format == config.FileFormat.FILE_FORMAT_PARQUET:
            if payload.name not in (records.PARQUET, records.TF_EXAMPLE):
                raise ConfigError(f"expected FORMAT_TFRECORDS_GZIP for {payload.name}, received {file_format!r}")
            return cls(records.PARQUET, examples_io.PARQUET)
        return cls(payload.name, examples_io.TFRECORDS_GZIP)

    def describe(self, examples: Examples, splits: Sequence[str]) -> None:
        """Sets an artifact's splits and formats."""
        examples.splits = splits
        examples.custom_properties["payload_format"] = self.payload
        examples.custom_properties["file_format"] = self.file_format


def write_splits(
    examples: Examples,
    sources: Mapping[str, Iterable[Rows]],
    partition: Partition | None,
    storage: Storage,
    report_rows: Callable[[int], None] = lambda rows: None,
) -> dict[str, int]:
    """Writes the rows of every input split, and sets the artifact's splits and formats.

    Args:
        examples: the artifact to fill.
        sources: rows by input split.
        partition: divides a single input split; None keeps the input splits.
        storage: how the artifact is stored.
        report_rows: called with the number of rows of every batch.

    Returns:
        Rows by output split.
    """
    names = tuple(sources) if partition is None else partition.names
    storage.describe(examples, names)
    common = parquet.CommonColumns()
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                examples_io.ExamplesWriter(examples.path(name), file_format=storage.file_format, common_columns=common)
            )
            for name in names
        ]
        for index, source in enumerate(sources.values()):
            for rows in source:
                split_of_row = np.full(len(rows), index) if partition is None else partition.assign(rows)
                write_rows(rows, split_of_row, writers, storage.file_format)
                report_rows(len(rows))
    return {name: writer.rows for name, writer in zip(names, writers, strict=True)}


def write_rows(rows: Rows, split_of_row: Any, writers: Sequence[examples_io.ExamplesWriter], file_format: str) -> None:
    """Writes every row to the writer whose position ``split_of_row`` gives."""
    framed = tfrecord.frame(rows.records) if file_format == examples_io.TFRECORDS_GZIP else None
    for index, writer in enumerate(writers):
        chosen = pa.array(split_of_row == index)
        if framed is not None:
            writer.write_framed(framed.filter(chosen))
        else:
            columns = [column.filter(chosen) for column in rows.batch.columns]
            writer.write(make_batch(columns, rows.batch.schema.names, int(np.count_nonzero(chosen))))


def check_rows(expected: int, written: Mapping[str, int]) -> None:
    """Raises DataError unless as many rows were written as there are in the input."""
    total = sum(written.values())
    if total != expected:
        raise DataError(
            f"expected to write the {expected} rows of the input, wrote {total} ({json.dumps(dict(written))}); "
            f"the input changed while it was read, or this is a bug: run again"
        )


def set_input_properties(examples: Examples, span: int, version: int | None, fingerprint: str) -> None:
    """Sets what TFX records about the input: span, version and fingerprint, of those that it has."""
    examples.custom_properties["span"] = span
    if version is not None:
        examples.custom_properties["version"] = version
    if fingerprint:
        examples.custom_properties["input_fingerprint"] = fingerprint
