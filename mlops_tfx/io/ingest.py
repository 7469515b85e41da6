"""From record batches to the splits of an Examples artifact: what all ExampleGens share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import DataError
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import inputs, tfrecord, wire
from mlops_tfx.io.partition import Partition


def write_splits(
    examples: Examples,
    batches: Mapping[str, Iterable[pa.RecordBatch]],
    partition: Partition | None,
    file_format: str,
    report_rows: Callable[[int], None] = lambda rows: None,
) -> dict[str, int]:
    """Writes the rows of every input split, and sets the artifact's splits and formats.

    Args:
        examples: the artifact to fill.
        batches: rows by input split, in tf.Example form.
        partition: divides a single input split; None keeps the input splits.
        file_format: ``tfrecords_gzip`` or ``parquet``.
        report_rows: called with the number of rows of every batch.

    Returns:
        Rows by output split.
    """
    names = tuple(batches) if partition is None else partition.names
    examples.splits = names
    examples.custom_properties["payload_format"] = examples_io.PAYLOADS_BY_FORMAT[file_format]
    examples.custom_properties["file_format"] = file_format
    with ExitStack() as stack:
        writers = [
            stack.enter_context(examples_io.ExamplesWriter(examples.path(name), file_format=file_format)) for name in names
        ]
        for index, split_batches in enumerate(batches.values()):
            for batch in split_batches:
                if partition is None:
                    writers[index].write(batch)
                else:
                    _write_partitioned(batch, partition, writers, file_format)
                report_rows(batch.num_rows)
    return {name: writer.rows for name, writer in zip(names, writers, strict=True)}


def _write_partitioned(batch: pa.RecordBatch, partition: Partition, writers: list[Any], file_format: str) -> None:
    # The rows are encoded even if Parquet is written, so that a row's split does not depend on the format.
    records = wire.encode_examples(batch)
    split_of_row = partition.assign(batch, records)
    framed = tfrecord.frame(records) if file_format == examples_io.TFRECORDS_GZIP else None
    for index, writer in enumerate(writers):
        rows = pa.array(split_of_row == index)
        if framed is not None:
            writer.write_framed(framed.filter(rows))
        else:
            columns = [column.filter(rows) for column in batch.columns]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=batch.schema))


def counted(batches: Iterable[pa.RecordBatch], totals: dict[str, int], split: str) -> Iterator[pa.RecordBatch]:
    """Passes batches on and adds their rows to ``totals[split]``."""
    totals.setdefault(split, 0)
    for batch in batches:
        totals[split] += batch.num_rows
        yield batch


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
