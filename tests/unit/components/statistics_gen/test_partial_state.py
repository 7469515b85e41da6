"""Partials as bytes: any table, cut anywhere, merges to what straight loops count."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_tfx.components.statistics_gen.options import make_settings
from mlops_tfx.statistics import partial_state
from mlops_tfx.statistics.compute import Computation
from tests.unit.components.statistics_gen.cases import common_of, features_in

TYPES = {"text": pa.large_binary(), "integer": pa.int64(), "float": pa.float32()}
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=4).map(str.encode)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(TEXT, st.binary(max_size=3), st.sampled_from([b"a", b"b"])),
    "integer": st.integers(-(2**53), 2**53),
    "float": st.floats(-(2.0**60), 2.0**60, width=32),
}
ROWS = st.fixed_dictionaries(
    {name: st.none() | st.lists(values, min_size=1, max_size=3) for name, values in VALUES.items()}
)


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], pa.large_list(kind)) for name, kind in TYPES.items()]
    return pa.RecordBatch.from_arrays(arrays, list(TYPES))


def stored_and_loaded(computation: Computation, rows: list[dict[str, Any]]) -> Any:
    header, partial = partial_state.loads(partial_state.dumps({"a": 1}, computation.partial([batch_of(rows)])), "here")
    assert header == {"a": 1}
    return partial


@given(rows=st.lists(ROWS, min_size=1, max_size=30), cuts=st.lists(st.integers(0, 30), max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_cut_anywhere(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    edges = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    computation = Computation(make_settings(None))
    parts = [rows[start:stop] for start, stop in pairwise(edges)]
    merged = computation.merge([stored_and_loaded(computation, part) for part in parts])
    assert merged.rows == len(rows)
    (dataset,) = computation.statistics(merged).datasets
    assert dataset.num_examples == len(rows)
    features = features_in(dataset)
    assert sorted(features) == sorted(TYPES)
    for name, feature in features.items():
        present = [row[name] for row in rows if row[name] is not None]
        common = common_of(feature)
        assert common.num_missing == len(rows) - len(present)
        assert common.tot_num_values == sum(map(len, present))
        check_values(feature, [value for values in present for value in values])


def check_values(feature: Any, values: list[Any]) -> None:
    if feature.WhichOneof("stats") == "num_stats":
        if values:
            stats, numbers = feature.num_stats, np.array(values, np.float64)
            assert (stats.min, stats.max, stats.num_zeros) == (numbers.min(), numbers.max(), (numbers == 0).sum())
            assert stats.mean == pytest.approx(numbers.mean(), rel=1e-6, abs=1e-6 * np.abs(numbers).max())
        return
    # TFDV shows what is not UTF-8 under one name, but counts it apart.
    counts = Counter(values)
    ranked = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)[:20]
    found = [(entry.value, entry.frequency) for entry in feature.string_stats.top_values]
    assert feature.string_stats.unique == len(counts)
    assert [frequency for _, frequency in found] == [count for _, count in ranked]
    assert [name for name, _ in found] == [shown(value) for value, _ in ranked]


def shown(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "__BYTES_VALUE__"


def test_what_cannot_be_stored_is_named() -> None:
    computation = Computation(make_settings(None))
    partial = computation.partial([batch_of([{"text": [b"a"], "integer": [1], "float": None}])])
    partial.slices[None].append(object())
    with pytest.raises(partial_state.NotStorableError, match=r"builtins.object"):
        partial_state.dumps({}, partial)
