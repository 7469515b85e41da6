"""The numbers at which a feature jumps are found exactly, wherever they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.errors import UserCodeError
from mlops_tfx.io.columns import make_lists
from mlops_tfx.skew.edges import find_edges
from mlops_tfx.skew.rows import SAMPLED, RowSet

FLOATS = schema_pb2.Feature(name="x", type=schema_pb2.FLOAT)
INTEGERS = schema_pb2.Feature(name="x", type=schema_pb2.INT)


@dataclass(frozen=True)
class Buckets:
    """What has the part of training's path that is asked: a feature's bucket, and the feature itself."""

    boundaries: Any
    most: float = np.inf
    features: tuple[str, ...] = ("bucket", "itself", "unrelated")
    sources: dict[str, set[str]] = field(
        default_factory=lambda: {"bucket": {"x"}, "itself": {"x"}, "unrelated": {"other"}}
    )

    def transform(self, batch: pa.RecordBatch, origin: str) -> pa.RecordBatch:
        numbers = batch.column(0).flatten().to_numpy()
        if (np.abs(numbers.astype(np.float64)) > self.most).any():
            raise UserCodeError(f"{origin}: too large")
        buckets = np.searchsorted(self.boundaries, numbers, side="right")
        ones = np.ones(len(numbers), np.int64)
        columns = [buckets, numbers, np.arange(len(numbers)) // 2]
        return pa.RecordBatch.from_arrays([make_lists(pa.array(column), ones) for column in columns], self.features)


def edges(feature: Any, training: Any, sample: Any) -> list[tuple[Any, Any]]:
    batch = pa.RecordBatch.from_arrays([make_lists(pa.array(sample), np.ones(len(sample), np.int64))], ["x"])
    rows = RowSet(SAMPLED, batch, tuple(f"row {number}" for number in range(len(sample))))
    found = find_edges(training, [feature], rows).get("x", [])
    above, below = ([value for what, value in found if what == wanted]
                    for wanted in ("at a boundary", "just below a boundary"))  # fmt: skip
    return sorted(zip(below, above, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False), min_size=1, max_size=6, unique=True))
def test_boundaries_of_floats(boundaries: list[float]) -> None:
    exact = np.sort(np.array(boundaries, np.float32))
    # A number between any two boundaries, so that each lies alone between two numbers of the sample.
    sample = np.concatenate([exact, np.nextafter(exact, np.float32(-np.inf)), np.float32([-3, 3])])
    found = edges(FLOATS, Buckets(exact), sample)
    assert [above for _, above in found] == exact.tolist()
    assert [below for below, _ in found] == np.nextafter(exact, np.float32(-np.inf)).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=6, unique=True))
def test_boundaries_of_integers(boundaries: list[int]) -> None:
    exact = np.sort(np.array(boundaries, np.int64))
    sample = np.concatenate([exact, exact - 1])
    assert edges(INTEGERS, Buckets(exact), sample) == [(value - 1, value) for value in exact.tolist()]


def test_a_boundary_between_numbers_of_the_sample_is_found_by_halving() -> None:
    boundary = np.float32(np.pi)
    sample = np.linspace(0, 10, 7, dtype=np.float32)
    assert edges(FLOATS, Buckets([boundary]), sample) == [(float(np.nextafter(boundary, np.float32(0))), boundary)]


def test_a_graph_that_refuses_large_numbers_is_asked_about_others() -> None:
    sample = np.linspace(0, 10, 7, dtype=np.float32)
    ((_, above),) = edges(FLOATS, Buckets([np.float32(2.5)], most=100.0), sample)
    assert above == 2.5
    assert edges(FLOATS, Buckets([np.float32(2.5)], most=5.0), sample) == []
