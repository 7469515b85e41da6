"""Rows as tf.Examples: many rows at once give what rows one by one give, and who does not fit is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.serving.clients import inputs
from mlops_tfx.serving.clients.inputs import Rows
from mlops_tfx.serving.protos import message

DTYPES = {"i": "DT_INT64", "f": "DT_FLOAT", "t": "DT_STRING"}
NUMBERS = st.integers(-(2**20), 2**20)
VALUES = {
    "i": st.none() | NUMBERS | NUMBERS.map(float) | st.lists(NUMBERS, max_size=2),
    "f": st.none() | NUMBERS | st.floats(width=32) | st.integers(-(2**62), 2**62),
    "t": st.none() | st.text(max_size=3) | st.binary(max_size=3),
}


def features(encoded: bytes) -> dict[str, Any]:
    """Feature -> kind and values; NaN as text, so that it compares."""
    found = {}
    for name, feature in message("tensorflow.Example").FromString(encoded).features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind:
            found[name] = (kind, [repr(value) for value in getattr(feature, kind).value])
    return {name: value for name, value in found.items() if value[1]}


@settings(deadline=None)  # the first example imports pyarrow
@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), min_size=16, max_size=20))
def test_many_rows_are_as_single_rows(rows: list[dict[str, Any]]) -> None:
    together = inputs.examples(Rows(rows), DTYPES)
    single = [inputs.examples(Rows([row]), DTYPES)[0] for row in rows]
    assert [features(one) for one in together] == [features(one) for one in single]


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"i": 1.5}, "feature 'i': .*received 1.5"),
        ({"f": 1e300}, "feature 'f': .*fit into DT_FLOAT"),
        ({"f": -(10**400)}, "feature 'f'"),
        ({"f": "a"}, "feature 'f'"),
        ({"t": 1}, "feature 't': expected text or bytes"),
        ({"i": 2**63}, "feature 'i'"),
    ],
)
def test_the_row_that_does_not_fit_is_named(row: dict[str, Any], text: str, count: int) -> None:
    rows = [{"i": 1, "f": 0.5, "t": "a"}] * (count - 1) + [row]
    with pytest.raises(ValueError, match=f"row {count - 1}: {text}"):
        inputs.examples(Rows(rows), DTYPES)


def test_many_rows_by_their_values() -> None:
    rows = [{"a": index, "b": np.float32(index), "c": "x"} for index in range(40)]
    encoded = inputs.examples(Rows(rows), {})
    assert features(encoded[7]) == {
        "a": ("int64_list", ["7"]),
        "b": ("float_list", ["7.0"]),
        "c": ("bytes_list", ["b'x'"]),
    }
