"""Functions over artifact lists: TFX's documented examples, and any history against straight loops over its rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.channel import Channel, union
from mlops_tfx.component import Component, Input, Inputs
from mlops_tfx.errors import ConfigError, PipelineFailedError, ResolutionError
from mlops_tfx.execution import LocalRunner
from mlops_tfx.execution.observer import Observer
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import LatestArtifactStrategy, Resolver, selection, spans

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=12)


def history(pairs: Any, start: int = 1) -> list[Examples]:
    """Examples of (span, version), in order of creation."""
    return [
        Examples(f"/data/{index}", id=index + start, custom_properties={"span": span, "version": version})
        for index, (span, version) in enumerate(pairs)
    ]


def places(artifacts: Any) -> list[tuple[int, int]]:
    return [(spans.span_of(artifact), spans.version_of(artifact)) for artifact in artifacts]


def newest(pairs: Any, all_versions: bool) -> list[tuple[int, int, int]]:
    """(span, version, id) of what counts: everything, or of every span the largest version and then the largest id."""
    table = sorted((span, version, index + 1) for index, (span, version) in enumerate(pairs))
    return table if all_versions else [row for row in table if row == max(r for r in table if r[0] == row[0])]


def test_the_example_of_tfx_sequential_rolling_range() -> None:
    found = history([(1, 0), (2, 0), (3, 0), (4, 0), (7, 0)])
    windows = selection.sequential_rolling_range(found, start_span_number=1, num_spans=3, skip_num_recent_spans=1)
    assert [[a.id for a in window] for window in windows] == [[1, 2, 3], [2, 3, 4]]
    assert selection.sequential_rolling_range(found, start_span_number=1, num_spans=5) == []


def test_the_examples_of_tfx_paired_spans() -> None:
    x, y = history([(0, 0), (0, 1), (1, 0), (2, 0)]), history([(0, 0), (0, 1), (1, 0), (3, 0)], start=10)
    latest = selection.paired_spans({"x": x, "y": y})
    assert [(places(pair["x"]), places(pair["y"])) for pair in latest] == [([(0, 1)],) * 2, ([(1, 0)],) * 2]
    every = selection.paired_spans({"x": x, "y": y}, keep_all_versions=True)
    assert [places(pair["x"]) for pair in every] == [[(0, 0)], [(0, 1)], [(1, 0)]]
    other = history([(0, 999), (1, 999)], start=20)
    assert selection.paired_spans({"x": other, "y": y}) == []
    assert [places(pair["y"]) for pair in selection.paired_spans({"x": other, "y": y}, match_version=False)] == [
        [(0, 1)], [(1, 0)],
    ]  # fmt: skip
    assert selection.paired_spans({"x": x}) == []


@given(
    PAIRS, st.none() | st.integers(-1, 9), st.integers(1, 4), st.integers(0, 4), st.booleans(),
    st.lists(st.integers(0, 9), max_size=3), st.integers(1, 3),
)  # fmt: skip
def test_any_sequential_rolling_range(
    pairs: Any, start: int | None, size: int, skip: int, every: bool, excluded: list[int], stride: int
) -> None:
    windows = selection.sequential_rolling_range(
        history(pairs), start_span_number=start, num_spans=size, skip_num_recent_spans=skip, keep_all_versions=every,
        exclude_span_numbers=excluded, stride=stride,
    )  # fmt: skip
    numbers = [span for span, _ in pairs]
    first = (min(numbers) if start is None or start < 0 else start) if numbers else 0
    first = next(span for span in range(first, first + 20) if span not in excluded)
    allowed = []
    for span in range(first, max(numbers, default=-1) - skip + 1):
        if span not in numbers or span in excluded:
            break
        allowed.append(span)
    ids = [row[2] for row in newest(pairs, every) if row[0] in allowed]
    expected = [ids[i : i + size] for i in range(0, len(ids), stride) if len(ids[i : i + size]) == size]
    assert [[a.id for a in window] for window in windows] == expected


@given(PAIRS, PAIRS, st.sampled_from([(True, False), (True, True), (False, False)]))
def test_any_pairs(one: Any, other: Any, mode: tuple[bool, bool]) -> None:
    match, every = mode
    found = selection.paired_spans(
        {"x": history(one), "y": history(other, 100)}, match_version=match, keep_all_versions=every
    )
    width = 2 if match else 1
    left = {row[:width]: row[2] for row in newest(one, every)}
    right = {row[:width]: row[2] + 99 for row in newest(other, every)}
    assert [(pair["x"][0].id, pair["y"][0].id) for pair in found] == [
        (left[place], right[place]) for place in sorted(left) if place in right
    ]


@given(st.lists(st.integers(), max_size=8), st.none() | st.integers(-9, 9), st.none() | st.integers(-9, 9))
def test_any_slice_and_pick(values: list[int], start: int | None, stop: int | None) -> None:
    found = history([(0, 0)] * len(values))
    assert [a.id for a in selection.slice(found, start, stop)] == list(range(1, len(values) + 1))[start:stop]
    if start is not None and -len(values) <= start < len(values):
        assert selection.pick(found, start) == [found[start]]
    elif start is not None:
        with pytest.raises(ResolutionError, match="expected at least 1 artifacts"):
            selection.pick(found, start)


@given(PAIRS, st.integers())
def test_shuffle_keeps_everything(pairs: Any, seed: int) -> None:
    found = history(pairs)
    shuffled = selection.shuffle(found, seed=seed)
    assert Counter(a.id for a in shuffled) == Counter(a.id for a in found)
    assert shuffled == selection.shuffle(found, seed=seed)


def test_filters_leave_out_what_lacks_the_property() -> None:
    models = [
        Model("/a", id=1, custom_properties={"purity": 1}),
        Model("/b", id=2),
        Model("/c", id=3, custom_properties={"purity": 2}),
    ]
    assert [a.id for a in selection.filter_custom_property_equal(models, key="purity", value=2)] == [3]
    assert selection.filter_property_equal(models, key="purity", value=2) == []


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="window_size=0"):
        selection.sliding_window([], 0)
    with pytest.raises(ConfigError, match="stride=0"):
        selection.sliding_window([], 1, stride=0)
    with pytest.raises(ConfigError, match="skip_num_recent_spans=-1"):
        selection.sequential_rolling_range([], skip_num_recent_spans=-1)
    with pytest.raises(ConfigError, match="match_version=False"):
        selection.paired_spans({}, match_version=False, keep_all_versions=True)
    with pytest.raises(ResolutionError, match="at least 3 artifacts in .None:2., received 2 of 4"):
        selection.slice(history([(0, 0)] * 4), stop=2, min_count=3)


@given(PAIRS, st.integers(1, 5))
def test_latest_versions_count_the_span_where_all_have_one(pairs: Any, n: int) -> None:
    table = sorted((span, version, index + 1) for index, (span, version) in enumerate(pairs))
    assert [a.id for a in spans.latest_version(history(pairs), n)] == [row[2] for row in table[-n:]]
    bare = [
        Model("/m", id=index + 1, custom_properties={"version": version}) for index, (_, version) in enumerate(pairs)
    ]
    plain = sorted((version, index + 1) for index, (_, version) in enumerate(pairs))
    assert [a.id for a in spans.latest_version(bare, n)] == [row[1] for row in plain[-n:]]


class Reads(Component):
    examples: Inputs[Examples]

    def run(self) -> None:
        """Reads nothing."""


class Single(Component):
    examples: Input[Examples]

    def run(self) -> None:
        """Reads nothing."""


def test_a_list_of_channels_is_their_union() -> None:
    one = Channel(type=Examples, producer_component_id="One")
    two = Channel(type=Examples, producer_component_id="Two")
    assert list(Reads(examples=[one, two]).inputs["examples"].sources()) == [one, two]
    assert Reads(examples=[union([one, two])]).problems == []
    assert "expected artifacts of type Examples" in Reads(examples=[one, Channel(type=Model)]).problems[0]
    assert "expected a channel of Examples, received str" in Reads(examples=[one, "x"]).problems[0]
    assert "received list" in Reads(examples=[]).problems[0]
    assert "received list" in Single(examples=[one, two]).problems[0]


def test_a_run_says_which_resolver_chose_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    resolver = Resolver(
        strategy_class=LatestArtifactStrategy, config={"desired_num_of_artifacts": 3}, examples=Channel(type=Examples)
    ).with_id("Window")
    pipeline = Pipeline("p", str(tmp_path), components=[resolver, Reads(examples=resolver.outputs["examples"])])
    caplog.set_level("INFO", logger="mlops_tfx")
    with pytest.raises(PipelineFailedError, match=r"nothing suited Window \(LatestArtifactStrategy, config="):
        LocalRunner(observer=Observer()).run(pipeline)
    assert "Window chose nothing for 'examples' among 0 artifacts" in caplog.text
