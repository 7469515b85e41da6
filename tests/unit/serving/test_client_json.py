"""JSON loses no bit: float32 by way of decimal digits, checked against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.serving.clients import json_values

PATTERNS = st.integers(0, 0x7F7FFFFF)


def nearest(text: str) -> int:
    """The bits of the float32 nearest to a positive decimal number, by fractions."""
    start = int(np.float32(text).view(np.uint32))
    candidates = np.arange(max(0, start - 2), min(0x7F7FFFFF, start + 2) + 1, dtype=np.uint32)
    exact = [abs(Fraction(float(value)) - Fraction(text)) for value in candidates.view(np.float32)]
    return int(candidates[exact.index(min(exact))])


@given(st.lists(PATTERNS, min_size=1))
def test_shortest_digits_come_back(patterns: list[int]) -> None:
    bits = np.array([*patterns, 0x15AE43FD], np.uint32)
    singles: Any = bits.view(np.float32)
    texts = [np.format_float_scientific(value, unique=True) for value in singles]
    assert [nearest(text) for text in texts] == bits.tolist()
    assert json_values.narrow(np.array([float(text) for text in texts])).view(np.uint32).tolist() == bits.tolist()


def test_rounding_twice_would_change_a_value() -> None:
    wide = np.array([7.038531e-26])
    assert wide.astype(np.float32).view(np.uint32)[0] == nearest("7.038531e-26") + 1
    assert json_values.narrow(wide).view(np.uint32)[0] == nearest("7.038531e-26") == 0x15AE43FD


def test_numbers_that_are_none() -> None:
    found = json_values.narrow(np.array([np.nan, np.inf, -np.inf, 1e300, -0.0, 2.5]))
    expected = np.array([np.nan, np.inf, -np.inf, np.inf, -0.0, 2.5], np.float32)
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found[4])


def test_text_of_every_shape() -> None:
    value = [["a", {"b64": "/w=="}], ["é", ""]]
    array = json_values.to_array(value, "DT_STRING")
    assert array.tolist() == [[b"a", b"\xff"], ["é".encode(), b""]]
    assert json_values.from_array(array) == value
    assert json_values.to_array("a", "DT_STRING").shape == ()
