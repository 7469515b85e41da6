"""What differences look like, in words that say what to look for: a shift, a factor, letter case, a default.

A guess, and told as one. That there is a difference, where and how large, is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlops_tfx.skew.comparison import Outcome
    from mlops_tfx.skew.rows import RowSet

_LAST_PLACES = 4
_ENOUGH = 3
_EPSILON = 8 * float(np.finfo(np.float32).eps)

# Rows with everything changed at once differ wherever one of their features does, and a constant may be anything.
_NEUTRAL = ("all optional features", "a constant of a graph")
# Kinds of rows that were made, and what it means if nothing else differs. The first group that has all kinds counts.
_GROUPS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"an empty list"}), "an empty list is treated otherwise than a feature that is not there"),
    (frozenset({"missing"}), "a feature that is not there is treated otherwise than an empty list"),
    (frozenset({"missing", "an empty list", "all optional features: missing"}), "missing values got another default"),
    (frozenset({"NaN"}), "NaN is replaced, or counts as missing, on one side only"),
    (frozenset({"no UTF-8", "a zero byte", "letters of many kinds"}),
     "texts are bytes (or ASCII) on one side, and UTF-8 on the other"),
    (frozenset({"an empty text", "a space"}), "an empty text counts as missing on one side only"),
    (frozenset({"in upper case", "in lower case", "in title case", "letters of many kinds"}),
     "the case of letters is changed on one side only"),
    (frozenset({"a space", "with a space before", "with a space after", "with a line break after", "with a tab before",
                "with wide spaces", "letters of many kinds"}), "spaces are taken away on one side only"),
    (frozenset({"composed", "decomposed", "in wide letters", "with an accent", "letters of many kinds"}),
     "Unicode is normalised, or accents are taken away, on one side only"),
    (frozenset({"at a boundary", "just below a boundary", "NaN"}),
     "a boundary belongs to the other side (< for <=), or was copied with fewer digits"),
    (frozenset({"a half", "a half within the sample", "at a boundary", "just below a boundary", "one third",
                "minus one", "next to zero", "minus zero"}), "numbers are rounded in another way, or cut off"),
    (frozenset({"no float32 is equal to it", "no float64 is equal to it", "no int32 is equal to it",
                "the largest int64", "the smallest int64", "the smallest int64 but one", "at a boundary",
                "just below a boundary"}), "the number passes through a type that cannot hold it"),
    (frozenset({"infinity", "minus infinity", "the largest float32", "the smallest float32", "beyond the sample",
                "before the sample", "the most of the domain", "the least of the domain",
                "the most of the domain and one further", "the least of the domain and one further",
                "the largest int64", "the smallest int64", "the smallest int64 but one",
                "all optional features: extreme"}), "numbers are cut off (clipped) elsewhere, or on one side only"),
    (frozenset({"a constant of a graph"}), "a special value, which may mean missing, is known to one side"),
    (frozenset({"in vocabulary", "of the domain"}), "the vocabulary has another version or order"),
    (frozenset({"out of the vocabulary", "no UTF-8", "a zero byte", "a long text", "letters of many kinds",
                "an empty text", "a space", "in upper case", "in lower case", "in title case", "with a space before",
                "with a space after", "with a line break after", "with a tab before", "with wide spaces",
                "in wide letters", "with an accent", "composed", "decomposed", "with a zero before",
                "in quotation marks", "all optional features: extreme"}),
     "what no vocabulary has is treated otherwise: other buckets, or another index"),
)  # fmt: skip


def cause_of_rows(compared: Iterable[tuple[Outcome, RowSet]]) -> str:
    """Returns what the made rows that differ have in common; empty if nothing is known of it.

    Args:
        compared: how one feature compares, and the made rows that were sent.
    """
    wrong: set[str] = set()
    all_differ = True
    for outcome, rows in compared:
        wrong.update(kind_of(rows.names[row]) for row in outcome.wrong_rows)
        all_differ = all_differ and len(outcome.wrong_rows) == len(rows)
    if all_differ or not wrong:
        return ""
    telling = {kind for kind in wrong if not kind.startswith(_NEUTRAL)} or wrong
    return next((text for kinds, text in _GROUPS if telling <= kinds), "")


def kind_of(name: str) -> str:
    """What was done to make a row, of its name: ``price: NaN (nan)`` is NaN."""
    if name.startswith("all optional features"):
        return name
    kind = name.rpartition(": ")[2] if "(" not in name else name[: name.index(" (")].rpartition(": ")[2]
    return "in vocabulary" if kind.startswith("in vocabulary") else kind


def pattern(training: Any, served: Any, ulps: Any) -> str:
    """Returns what the elements that differ have in common; empty if nothing.

    Args:
        training: training's elements that differ, flat.
        served: the served ones.
        ulps: units in the last place between them.
    """
    if training.dtype.kind in "fiu":
        return next(_numbers(training, served, ulps), "")
    return next(_texts(training.tolist(), served.tolist()), "") if training.dtype.kind in "OSU" else ""


def _numbers(training: Any, served: Any, ulps: Any) -> Iterator[str]:
    if training.dtype.kind == "f":
        if (ulps <= _LAST_PLACES).all():
            yield "in the last places only: another precision (float64 for float32) or order of operations"
        empty = np.isnan(training), np.isnan(served)
        if empty[0].any() or empty[1].any():
            return
    if len(training) < _ENOUGH:
        return
    if (served == served[0]).all():
        before = f" for {training[0]!s}" if (training == training[0]).all() else ""
        yield f"always {served[0]!s}{before} where it differs: another default, or an index of its own"
    first, second = training.astype(np.float64), served.astype(np.float64)
    finite = np.isfinite(first) & np.isfinite(second)
    if not finite.all():
        return
    size = np.maximum(np.abs(first), np.abs(second))
    shift = float(np.median(second - first))
    if (np.abs(second - first - shift) <= _EPSILON * np.maximum(size, abs(shift))).all():
        yield f"by {shift:+.6g} wherever it differs: another mean, zero point, time zone or first index"
    if (first != 0).all():
        factor = float(np.median(second / first))
        if (np.abs(second - first * factor) <= _EPSILON * size).all():
            yield f"by the factor {factor:.6g} wherever it differs: another scale or unit"


def _texts(training: Sequence[Any], served: Sequence[Any]) -> Iterator[str]:
    pairs = list(zip(training, served, strict=True))
    if all(first.lower() == second.lower() for first, second in pairs):
        yield "in the case of letters only"
    elif all(first.strip() == second.strip() for first, second in pairs):
        yield "in spaces around it only"
