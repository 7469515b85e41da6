"""Distances between arrays, element by element: floats in units in the last place, everything else equal or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNRELATED = np.iinfo(np.uint64).max
"""The distance where there is none: NaN and a number, two different texts."""

_BITS: dict[Any, tuple[Any, int]] = {
    np.dtype(np.float32): (np.uint32, 0x7FFFFFFF),
    np.dtype(np.float64): (np.uint64, 0x7FFFFFFFFFFFFFFF),
}


def ulp_distance(first: Any, second: Any) -> NDArray[np.uint64]:
    """Returns how many representable numbers lie between two floats, counting the second.

    Both zeros are the same number, any NaN equals any NaN, and infinity follows the largest finite number.

    Args:
        first: float32 or float64, any shape.
        second: the same type and shape.
    """
    unsigned, mask = _BITS[first.dtype]
    bits = [np.ascontiguousarray(array).view(unsigned).astype(np.uint64) for array in (first, second)]
    sizes = [array & np.uint64(mask) for array in bits]
    apart = np.signbit(first) != np.signbit(second)
    near = np.maximum(sizes[0], sizes[1]) - np.minimum(sizes[0], sizes[1])
    found = np.where(apart, sizes[0] + sizes[1], near)
    nans = [np.isnan(first), np.isnan(second)]
    found[nans[0] & nans[1]] = 0
    found[nans[0] ^ nans[1]] = UNRELATED
    return found


def distance(first: Any, second: Any) -> NDArray[np.uint64]:
    """Returns `ulp_distance` of floats; 0 or UNRELATED for elements of any other type that are equal or not."""
    if first.dtype in _BITS:
        return ulp_distance(first, second)
    return np.where(np.asarray(first != second, bool), UNRELATED, np.uint64(0))


def absolute_difference(first: Any, second: Any) -> NDArray[np.float64]:
    """Returns differences of numbers as float64: 0 where they are equal or both NaN, infinity where one is no number.

    Integers too large for a float64 are rounded, which is near enough for showing.
    """
    if first.dtype.kind not in "fiub":
        return np.where(np.asarray(first != second, bool), np.inf, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.abs(first.astype(np.float64) - second.astype(np.float64))
    same = (first == second) | ((first != first) & (second != second))
    found = np.where(same, 0.0, found)
    return np.where(np.isnan(found), np.inf, found)
