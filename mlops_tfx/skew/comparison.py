"""Compares what training computed with what was served: every element, and which one is worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.skew.causes import pattern
from mlops_tfx.skew.ulps import UNRELATED, absolute_difference, distance

FEATURE, PREDICTION = "feature", "prediction"
ELEMENTS, NUMBERS_OF_VALUES = "elements", "numbers of values"


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal: so many units in the last place, or so small a difference.

    Attributes:
        ulps: units in the last place.
        absolute: a difference.
    """

    ulps: int = 0
    absolute: float = 0.0


@dataclass(frozen=True)
class Worst:
    """The element that differs most.

    Attributes:
        row: its row.
        element: its place in the row; empty for a scalar.
        training: training's value.
        served: the served one.
        ulps: units in the last place between them; None where they are no floats, or one is NaN.
        absolute: the difference; None where they are no numbers.
    """

    row: int
    element: tuple[int, ...]
    training: Any
    served: Any
    ulps: int | None
    absolute: float | None


@dataclass(frozen=True)
class Outcome:
    """How one output, or one transformed feature, compares.

    Attributes:
        name: of the output or feature.
        kind: FEATURE or PREDICTION.
        elements: how many were compared.
        differing: how many of them differ by more than the tolerance.
        worst: the one that differs most, if any does at all.
        problem: why the two cannot be compared; None if they were.
        counted: what was compared: ELEMENTS, or of sparse and ragged features NUMBERS_OF_VALUES.
        wrong_rows: the numbers of the rows that have such an element.
        pattern: what the elements of a feature that differ have in common; empty if nothing.
    """

    name: str
    kind: str
    elements: int = 0
    differing: int = 0
    worst: Worst | None = None
    problem: str | None = None
    counted: str = ELEMENTS
    wrong_rows: tuple[int, ...] = ()
    pattern: str = ""

    @property
    def rows(self) -> int:
        """How many rows have an element that differs."""
        return len(self.wrong_rows)

    @property
    def equal(self) -> bool:
        """Whether they were compared, and no element differs by more than the tolerance."""
        return self.problem is None and not self.differing


def compare(name: str, kind: str, training: Any, served: Any, tolerance: Tolerance) -> Outcome:
    """Compares two arrays ``[rows, ...]``.

    Floats of 16 bits are widened. Features may be padded to different widths with 0 or ``""``; the narrower is padded.
    """
    training, served = _comparable(kind, training, served)
    if training.dtype != served.dtype:
        return Outcome(name, kind, problem=f"expected {training.dtype} as in training, received {served.dtype}")
    if training.shape != served.shape:
        return Outcome(name, kind, problem=f"expected shape {training.shape} as in training, received {served.shape}")
    ulps, absolute = distance(training, served), absolute_difference(training, served)
    wrong = (ulps > tolerance.ulps) & ~(absolute <= tolerance.absolute)
    return Outcome(
        name,
        kind,
        int(wrong.size),
        int(wrong.sum()),
        _worst(training, served, ulps, absolute, wrong),
        wrong_rows=tuple(np.flatnonzero(_any_of_row(wrong)).tolist()),
        # Predictions are made of all features, and follow the pattern of none.
        pattern=pattern(training[wrong], served[wrong], ulps[wrong]) if kind == FEATURE and wrong.any() else "",
    )


def _comparable(kind: str, training: Any, served: Any) -> tuple[Any, Any]:
    training, served = _widened(training), _widened(served)
    if kind == FEATURE:
        training, served = of_rank(training, served.ndim), of_rank(served, training.ndim)
    if kind == FEATURE and training.ndim == served.ndim:
        training, served = _padded_alike(training, served)
    return training, served


def farthest(kind: str, first: Any, second: Any) -> float:
    """Returns the largest difference of two arrays of finite numbers; 0.0 for all others."""
    first, second = _comparable(kind, first, second)
    if first.dtype != second.dtype or first.shape != second.shape or first.dtype.kind != "f":
        return 0.0
    apart = absolute_difference(first, second)
    return float(apart[np.isfinite(apart)].max(initial=0.0))


def differing_rows(training: Any, served: Any, tolerance: Tolerance) -> Any:
    """Returns for every row whether it has an element that differs: bool ``[rows]``; all, if shape or type differ."""
    training, served = _widened(training), _widened(served)
    if training.dtype != served.dtype or training.shape != served.shape:
        return np.ones(len(training), bool)
    wrong = (distance(training, served) > tolerance.ulps) & ~(
        absolute_difference(training, served) <= tolerance.absolute
    )
    return _any_of_row(wrong)


def _any_of_row(wrong: Any) -> Any:
    return wrong.reshape(len(wrong), -1).any(axis=1) if wrong.size else np.zeros(len(wrong), bool)


def _widened(array: Any) -> Any:
    array = np.asarray(array)
    # numpy calls bfloat16, which it does not know itself, a void type.
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind in "fV" else array


def of_rank(array: Any, rank: int) -> Any:
    """Returns an array without elements with more dimensions: JSON has ``[[]]`` for any number of them."""
    return array if array.size or array.ndim >= rank else array.reshape(len(array), *[0] * (rank - 1))


def _padded_alike(first: Any, second: Any) -> tuple[Any, Any]:
    if first.ndim < 2 or first.shape[1:] == second.shape[1:] or len(first) != len(second):
        return first, second
    shape = tuple(max(sizes) for sizes in zip(first.shape, second.shape, strict=True))
    return _padded(first, shape), _padded(second, shape)


def _padded(array: Any, shape: tuple[int, ...]) -> Any:
    padding = b"" if array.dtype.kind in "OSU" else 0
    widths = [(0, size - has) for size, has in zip(shape, array.shape, strict=True)]
    return np.pad(array, widths, constant_values=padding)


def _worst(training: Any, served: Any, ulps: Any, absolute: Any, wrong: Any) -> Worst | None:
    if not ulps.size or not ulps.any():
        return None
    # The farthest in units in the last place, and of those the farthest in value. Next to zero many units are little:
    # what the tolerance lets pass is no worst element if something else does not pass.
    flat = (np.where(wrong, ulps, 0) if wrong.any() else ulps).reshape(-1)
    places = np.flatnonzero(flat == flat.max())
    place = int(places[np.argmax(absolute.reshape(-1)[places])])
    row, *element = (int(index) for index in np.unravel_index(place, training.shape))
    far, apart = int(flat[place]), float(absolute.reshape(-1)[place])
    return Worst(
        row,
        tuple(element),
        training[(row, *element)],
        served[(row, *element)],
        None if far == UNRELATED else far,
        apart if np.isfinite(apart) else None,
    )
