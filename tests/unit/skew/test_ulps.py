"""Distances in units in the last place, against walks by numpy.nextafter and against Python's own order of floats."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlops_tfx.skew.comparison import FEATURE, PREDICTION, Tolerance, compare, differing_rows
from mlops_tfx.skew.ulps import UNRELATED, absolute_difference, distance, ulp_distance

TYPES = (np.float32, np.float64)


def single(value: Any, dtype: Any) -> Any:
    return np.array([value], dtype)


@settings(deadline=None)
@given(st.sampled_from(TYPES), st.floats(width=32), st.integers(0, 40), st.booleans())
def test_distance_of_a_walk(dtype: Any, start: float, steps: int, up: bool) -> None:
    first = dtype(start)
    second, walked = first, 0
    for _ in range(steps):
        with np.errstate(over="ignore", under="ignore"):
            following = np.nextafter(second, dtype(np.inf if up else -np.inf))
        if following == second or math.isnan(float(following)):
            break
        # The two zeros are one number, so no step lies between them.
        walked += 1
        second = following
    assert int(ulp_distance(single(first, dtype), single(second, dtype))[0]) == walked


@settings(deadline=None)
@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_distance_is_that_of_the_numbers_order(first: float, second: float) -> None:
    def place(value: float) -> int:
        (bits,) = struct.unpack("<q", struct.pack("<d", abs(value)))
        return int(-bits if math.copysign(1, value) < 0 else bits)

    expected = abs(place(first) - place(second))
    found = ulp_distance(single(first, np.float64), single(second, np.float64))
    assert int(found[0]) == expected
    assert (expected == 0) == (first == second)


@pytest.mark.parametrize("dtype", TYPES)
def test_nan_zeros_and_infinities(dtype: Any) -> None:
    other_nan = np.array([np.nan], dtype)
    np.negative(other_nan, out=other_nan)
    assert ulp_distance(single(np.nan, dtype), other_nan)[0] == 0
    assert ulp_distance(single(np.nan, dtype), single(1, dtype))[0] == UNRELATED
    assert ulp_distance(single(0.0, dtype), single(-0.0, dtype))[0] == 0
    assert ulp_distance(single(np.inf, dtype), single(np.finfo(dtype).max, dtype))[0] == 1
    tiny = np.finfo(dtype).smallest_subnormal
    assert ulp_distance(single(-tiny, dtype), single(tiny, dtype))[0] == 2


_ARRAYS = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(0, 3)), elements=st.floats(width=32))


@settings(deadline=None)
@given(_ARRAYS, st.data())
def test_comparison_is_that_of_a_loop(training: Any, data: Any) -> None:
    served = training.copy()
    for place in np.ndindex(*training.shape):
        for _ in range(data.draw(st.integers(0, 3))):
            with np.errstate(over="ignore", under="ignore"):
                served[place] = np.nextafter(served[place], np.float32(np.inf))
    tolerance = Tolerance(ulps=data.draw(st.integers(0, 3)), absolute=data.draw(st.sampled_from([0.0, 1e-30, 1.0])))
    outcome = compare("x", PREDICTION, training, served, tolerance)
    wrong = [place for place in np.ndindex(*training.shape) if _differ(training[place], served[place], tolerance)]
    assert outcome.problem is None
    assert (outcome.elements, outcome.differing) == (training.size, len(wrong))
    assert outcome.rows == len({place[0] for place in wrong})
    assert differing_rows(training, served, tolerance).tolist() == [
        any(place[0] == row for place in wrong) for row in range(len(training))
    ]


def _differ(first: Any, second: Any, tolerance: Tolerance) -> bool:
    if first == second or (math.isnan(first) and math.isnan(second)):
        return False
    steps, at = 0, first
    while at != second and steps <= tolerance.ulps:
        with np.errstate(over="ignore", under="ignore"):
            at, steps = np.nextafter(at, np.float32(np.inf)), steps + 1
    if steps <= tolerance.ulps:
        return False
    if math.isinf(first) or math.isinf(second):
        return True
    return abs(Fraction(float(first)) - Fraction(float(second))) > Fraction(tolerance.absolute)


def test_worst_element() -> None:
    training = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    served = training.copy()
    served[1, 0] += 0.5
    served[0, 1] = np.nextafter(served[0, 1], np.float32(9))
    worst = compare("x", PREDICTION, training, served, Tolerance()).worst
    assert worst is not None
    assert (worst.row, worst.element, worst.training, worst.served, worst.absolute) == (1, (0,), 3.0, 3.5, 0.5)
    assert worst.ulps == 2**21


def test_integers_and_texts_are_equal_or_not() -> None:
    assert distance(np.array([1, 2**62]), np.array([1, 2**62 + 1])).tolist() == [0, UNRELATED]
    texts = np.array([b"a", b"\xff"], object), np.array([b"a", b"\xfe"], object)
    assert distance(*texts).tolist() == [0, UNRELATED]
    assert absolute_difference(*texts).tolist() == [0, np.inf]
    outcome = compare("x", FEATURE, *texts, Tolerance(10, 10.0))
    assert (outcome.differing, outcome.worst.served if outcome.worst else None) == (1, b"\xfe")


def test_padding_counts_for_features_only() -> None:
    wide = np.array([[1, 2, 0], [3, 0, 0]])
    assert compare("x", FEATURE, wide[:, :2], wide, Tolerance()).equal
    assert compare("x", FEATURE, np.full((2, 1), b"", object), np.full((2, 3), b"", object), Tolerance()).equal
    assert compare("x", PREDICTION, wide[:, :2], wide, Tolerance()).problem is not None


def test_other_types_and_shapes_are_problems() -> None:
    narrow, wide = np.zeros(2, np.float32), np.zeros(2)
    assert "expected float32 as in training, received float64" in str(compare("x", FEATURE, narrow, wide, _ANY).problem)
    assert "received (3,)" in str(compare("x", FEATURE, narrow, np.zeros(3, np.float32), _ANY).problem)
    assert differing_rows(narrow, wide, _ANY).tolist() == [True, True]
    # Floats of 16 bits are widened, as exported models do.
    assert compare("x", PREDICTION, np.float16([1, 2]), np.float32([1, 2]), _ANY).equal


_ANY = Tolerance(ulps=10**9)
