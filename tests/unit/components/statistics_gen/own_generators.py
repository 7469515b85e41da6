"""Generators and slice functions as users write them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_data_validation import CombinerStatsGenerator
from tensorflow_metadata.proto.v0 import statistics_pb2


class Count:
    """An accumulator that is an object."""

    def __init__(self) -> None:
        self.value = 0


class Rows(CombinerStatsGenerator):  # type: ignore[misc]  # TFDV has no types
    """Counts rows."""

    def create_accumulator(self) -> Any:
        return [0]

    def add_input(self, accumulator: Any, batch: pa.RecordBatch) -> Any:
        accumulator[0] += batch.num_rows
        return accumulator

    def merge_accumulators(self, accumulators: Any) -> Any:
        return [sum(accumulator[0] for accumulator in accumulators)]

    def extract_output(self, accumulator: Any) -> Any:
        result = statistics_pb2.DatasetFeatureStatistics()
        feature = result.features.add()
        feature.path.step.append("carrier")
        feature.custom_stats.add(name="rows", num=accumulator[0])
        return result


class RowsInAnObject(Rows):
    """Counts rows in an object, which cannot be stored."""

    def create_accumulator(self) -> Count:
        return Count()

    def add_input(self, accumulator: Count, batch: pa.RecordBatch) -> Count:
        accumulator.value += batch.num_rows
        return accumulator

    def merge_accumulators(self, accumulators: Any) -> Count:
        result = Count()
        result.value = sum(accumulator.value for accumulator in accumulators)
        return result

    def extract_output(self, accumulator: Count) -> Any:
        return super().extract_output([accumulator.value])


def rows() -> Rows:
    """A generator."""
    return Rows("Rows")


def rows_in_an_object() -> list[Rows]:
    """Generators in a list."""
    return [RowsInAnObject("RowsInAnObject")]


def not_a_generator() -> str:
    """Something else."""
    return "rows"


def late(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Flights that left more than an hour late."""
    delays = batch.column(batch.schema.get_field_index("dep_delay"))
    first = pc.list_element(pc.fill_null(delays, pa.scalar([0.0], delays.type)), 0)
    yield "late", pc.filter(batch, pc.greater(first, 60))


def fails(batch: pa.RecordBatch) -> Any:
    """Raises."""
    raise KeyError("no such thing")


def wrong(batch: pa.RecordBatch) -> Any:
    """Yields something else than pairs."""
    return [batch]


def dies(batch: pa.RecordBatch) -> Any:
    """Ends the process, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
