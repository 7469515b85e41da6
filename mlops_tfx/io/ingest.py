"""From record batches to the splits of an Examples artifact: what all ExampleGens share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlops_tfx import config
from mlops_tfx.errors import DataError
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import inputs, tfrecord
from mlops_tfx.io.columns import make_batch

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.io.partition import Partition
    from mlops_tfx.io.rows import Rows


def write_splits(
    examples: Examples,
    sources: Mapping[str, Iterable[Rows]],
    partition: Partition | None,
    file_format: str,
    report_rows: Callable[[int], None] = lambda rows: None,
) -> dict[str, int]:
    """Writes the rows of every input split, and sets the artifact's splits and formats.

    Args:
        examples: the artifact to fill.
        sources: rows by input split.
        partition: divides a single input split; None keeps the input splits.
        file_format: ``tfrecords_gzip`` or ``parquet``.
        report_rows: called with the number of rows of every batch.

    Returns:
        Rows by output split.
    """
    names = tuple(sources) if partition is None else partition.names
    examples.splits = names
    examples.custom_properties["payload_format"] = examples_io.PAYLOADS_BY_FORMAT[file_format]
    examples.custom_properties["file_format"] = file_format
    with ExitStack() as stack:
        writers = [
            stack.enter_context(examples_io.ExamplesWriter(examples.path(name), file_format=file_format))
            for name in names
        ]
        for index, source in enumerate(sources.values()):
            for rows in source:
                split_of_row = np.full(len(rows), index) if partition is None else partition.assign(rows)
                _write(rows, split_of_row, writers, file_format)
                report_rows(len(rows))
    return {name: writer.rows for name, writer in zip(names, writers, strict=True)}


def _write(rows: Rows, split_of_row: Any, writers: list[examples_io.ExamplesWriter], file_format: str) -> None:
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


def set_input_properties(examples: Examples, found: list[inputs.InputSplit]) -> None:
    """Sets what TFX records about the input: span, version and fingerprint."""
    examples.custom_properties["span"] = 0
    examples.custom_properties["input_fingerprint"] = inputs.fingerprint(found)


def file_format_name(file_format: config.FileFormat) -> str:
    """The name under which a file format is recorded with an artifact."""
    return examples_io.PARQUET if file_format == config.FileFormat.FILE_FORMAT_PARQUET else examples_io.TFRECORDS_GZIP
