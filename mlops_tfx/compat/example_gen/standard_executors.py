"""Executors that TFX's own ExampleGens have, for executors derived from them. Ours read faster without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam

from mlops_tfx import config
from mlops_tfx.compat.example_gen.executor import BaseExampleGenExecutor
from mlops_tfx.ingestion.custom_executors import avro_executor, parquet_executor
from mlops_tfx.ingestion.source import rows_of
from mlops_tfx.io import inputs, records


class CsvExecutor(BaseExampleGenExecutor):
    """``tfx.components.example_gen.csv_example_gen.executor.Executor``: CSV files to tf.train.Examples."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Returns a PTransform of ``(exec_properties, split_pattern)``."""
        return lambda exec_properties, split_pattern: _Read(exec_properties, split_pattern, _read_csv)


class ImportExecutor(BaseExampleGenExecutor):
    """``tfx.components.example_gen.import_example_gen.executor.Executor``: TFRecord files to messages or bytes."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Returns a PTransform of ``(exec_properties, split_pattern)``."""
        return lambda exec_properties, split_pattern: _Read(exec_properties, split_pattern, _read_records)


class AvroExecutor(BaseExampleGenExecutor):
    """``tfx.components.example_gen.custom_executors.avro_executor.Executor``: Avro files to tf.train.Examples."""

    READER = staticmethod(avro_executor.read_avro)

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Returns a PTransform of ``(exec_properties, split_pattern)``."""
        return lambda exec_properties, split_pattern: _Read(exec_properties, split_pattern, _read_avro)


class ParquetExecutor(BaseExampleGenExecutor):
    """``tfx.components.example_gen.custom_executors.parquet_executor.Executor``: Parquet files to tf.train.Examples."""

    READER = staticmethod(parquet_executor.read_parquet)

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Returns a PTransform of ``(exec_properties, split_pattern)``."""
        return lambda exec_properties, split_pattern: _Read(exec_properties, split_pattern, _read_parquet)


class _Read(beam.PTransform):
    def __init__(self, exec_properties: dict[str, Any], pattern: str, read: Callable[..., Iterable[Any]]) -> None:
        super().__init__()
        payload = exec_properties.get("payload_format") or config.PayloadFormat.FORMAT_TF_EXAMPLE
        self._payload = config.PayloadFormat(payload).name
        only = config.Input(splits=[config.Input.Split(name="split", pattern=pattern)])
        (self._split,) = inputs.find_input(exec_properties["input_base"], only)
        self._read = read

    def expand(self, pipeline: Any) -> Any:
        return pipeline | beam.Create([self._split]) | beam.FlatMap(self._read, self._payload)


def _read_csv(split: inputs.InputSplit, payload: str) -> Iterator[Any]:
    from mlops_tfx.io import csv_files, csv_inspect

    table = csv_inspect.inspect_csv(split.files, csv_files.CsvFormat(",", (), {}))
    return _examples(csv_files.read_csv(table))


def _read_avro(split: inputs.InputSplit, payload: str) -> Iterator[Any]:
    return _examples(rows_of(avro_executor.read_avro(split), "FORMAT_TF_EXAMPLE", split.name))


def _read_parquet(split: inputs.InputSplit, payload: str) -> Iterator[Any]:
    return _examples(rows_of(parquet_executor.read_parquet(split), "FORMAT_TF_EXAMPLE", split.name))


def _examples(batches: Iterable[Any]) -> Iterator[Any]:
    import tensorflow as tf

    for rows in batches:
        for record in rows.records.to_pylist():
            yield tf.train.Example.FromString(record)


def _read_records(split: inputs.InputSplit, payload: str) -> Iterator[Any]:
    import tensorflow as tf

    from mlops_tfx.io import import_files

    kinds: dict[str, Any] = {
        "FORMAT_TF_EXAMPLE": tf.train.Example.FromString,
        "FORMAT_TF_SEQUENCE_EXAMPLE": tf.train.SequenceExample.FromString,
    }
    parse = kinds.get(payload, bytes)
    for rows in import_files.read_tfrecords(split, payload, records.Tolerance(0)):
        for record in rows.records.to_pylist():
            yield parse(record)
