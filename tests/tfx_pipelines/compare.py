"""Differences of two summaries, path by path; numbers that training makes are compared within measured noise."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ROUNDING = 1e-5  # relative: sums of floats in another order
# A number that differs between repeated runs under TFX may differ by this many times its range over them. Three runs
# range over 1.7 standard deviations on average, ours is one more: four ranges are 4.8 deviations of a difference.
RANGES = 4.0
LEAST_NOISE = 0.02  # by luck three runs may be closer to each other than that
# Where our store says more than TFX's: further properties, and our parameters.
MORE_IS_FINE = re.compile(r".*/(custom|parameters)(/[^/]*)?")
# TFX's Transform names the splits in the order of a set of texts, which is another in every process.
SET_ORDER = re.compile(r".*/[^/]*\.transformed_examples[^/]*/properties/split_names")


def differences(
    expected: Any, received: Any, noise: Mapping[str, float] | None = None, different: Sequence[str] = ()
) -> list[str]:
    """What is not the same.

    Args:
        expected: TFX's summary.
        received: ours.
        noise: path to the range of a number over repeated runs.
        different: regular expressions of paths that are different on purpose.
    """
    known = noise or {}
    ours, theirs = dict(leaves(received)), dict(leaves(expected))
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        if any(re.fullmatch(pattern, path) for pattern in different):
            continue
        if path not in theirs and not MORE_IS_FINE.fullmatch(path):
            found.append(f"{path}: TFX has none, received {ours[path]!r}")
        elif path in theirs and path not in ours and theirs[path] != {}:
            found.append(f"{path}: expected {theirs[path]!r}, received none")
        elif (
            path in theirs
            and path in ours
            and not same(theirs[path], ours[path], known.get(path, trained(path, theirs[path], known)))
        ):
            found.append(f"{path}: expected {theirs[path]!r}, received {ours[path]!r}")
    return found


def trained(path: str, value: Any, noise: Mapping[str, float]) -> float | None:
    """The noise of a metric that was the same in all repeated runs, though the model was not: the least."""
    fraction = isinstance(value, float) and not value.is_integer()
    return 0.0 if noise and fraction and "/content/metrics/" in path else None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of nested dicts and lists; empty ones are leaves."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list) and value and any(isinstance(inner, (Mapping, list)) for inner in value):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    else:
        yield path, sorted(json.loads(value)) if SET_ORDER.fullmatch(path) else value


def same(expected: Any, received: Any, noise: float | None) -> bool:
    """Equal; numbers up to rounding, or up to noise where there is some."""
    numbers = [value for value in (expected, received) if isinstance(value, (int, float))]
    if len(numbers) < 2 or isinstance(expected, bool) or isinstance(received, bool):
        return type(expected) is type(received) and bool(expected == received)
    if noise is None:
        return math.isclose(expected, received, rel_tol=ROUNDING, abs_tol=ROUNDING) or repr(expected) == repr(received)
    return abs(expected - received) <= RANGES * noise + LEAST_NOISE


def ranges(repeats: Sequence[Any], trained: Sequence[str] = ()) -> dict[str, float]:
    """Path to the range of each number that differs between summaries of repeated runs, or that training makes.

    Args:
        repeats: the summaries.
        trained: regular expressions of paths of numbers that may agree between TFX's runs by seeds or chance.

    Raises:
        ValueError: something other than a number differs: the pipeline is not fit for a comparison.
    """
    tables: list[dict[str, Any]] = [dict(leaves(summary)) for summary in repeats]
    found = {}
    for path in sorted(set().union(*tables)):
        values = [table.get(path) for table in tables]
        is_trained = any(re.fullmatch(pattern, path) for pattern in trained)
        if not is_trained and all(same(values[0], value, None) for value in values):
            continue
        if not all(isinstance(value, (int, float)) for value in values):
            raise ValueError(f"expected the same in every run, received {path}={values!r}")
        found[path] = float(max(values) - min(values))
    return found
