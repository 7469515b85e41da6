"""Resolver functions choose what TFX's own choose: random histories and settings (tests/golden/resolver_functions)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.artifacts import Artifact, Examples
from mlops_tfx.errors import ResolutionError, SkipSignal
from mlops_tfx.resolvers import functions

CASES = json.loads(
    (Path(__file__).parents[2] / "golden" / "resolver_functions" / "cases.json").read_text(encoding="utf-8")
)


def history(pairs: Any, start: int) -> list[Examples]:
    return [
        Examples(f"/{start + index}", id=start + index, properties={"span": span, "version": version})
        for index, (span, version) in enumerate(pairs)
    ]


def plain(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: plain(value) for key, value in found.items()}
    return found.id if isinstance(found, Artifact) else [plain(item) for item in found]


def chosen(case: Any) -> Any:
    pairs = case["history"]
    is_dict = isinstance(pairs, dict)
    found = {"x": history(pairs["x"], 1), "y": history(pairs["y"], 100)} if is_dict else history(pairs, 1)
    try:
        return plain(getattr(functions, case["function"])(found, **case["settings"]))
    except SkipSignal:
        return "skip"
    except ResolutionError:
        return "error"


@pytest.mark.parametrize("name", sorted({case["function"] for case in CASES}))
def test_every_case_of_tfx(name: str) -> None:
    cases = [case for case in CASES if case["function"] == name]
    assert len(cases) == 60
    assert len({json.dumps(case["expected"]) for case in cases}) > 10
    for case in cases:
        expected = case["expected"]
        if name == "sequential_rolling_range":
            expected = [element["window"] for element in expected]
        if name == "static_range" and isinstance(expected, list):
            assert places(chosen(case), case) == places(expected, case), case
        else:
            assert chosen(case) == expected, case


def places(ids: list[int], case: Any) -> list[Any]:
    """Spans and versions. Of two artifacts with the same, TFX's static_range takes the older, all else the newer."""
    return [case["history"][i - 1] for i in ids]


def test_of_equal_spans_and_versions_the_newest_counts_everywhere() -> None:
    twice = history([(3, 1), (3, 1)], 1)
    by = [functions.static_range, functions.rolling_range, functions.all_spans, functions.latest_version]
    assert [[found.id for found in choose(twice)] for choose in by] == [[2]] * 4
