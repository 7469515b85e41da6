"""Windows of spans: hand-written cases of TFX's documentation, and any history against a plain model of the rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import AllSpansStrategy, Channel, Resolver, RollingRangeStrategy, SpanRangeStrategy, StaticRangeStrategy
from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.config import RangeConfig, RollingRange, StaticRange
from mlops_tfx.errors import ConfigError, ResolutionError
from mlops_tfx.protos import range_config_pb2
from mlops_tfx.resolvers import ResolverStrategy, spans


class NoHistory:
    def artifacts_of_type(self, artifact_type: Any, pipeline_name: str | None = None) -> list[Any]:
        raise AssertionError("these strategies choose among what their channels give")


def history(*pairs: tuple[int, int]) -> list[Examples]:
    """Examples of (span, version), in order of creation."""
    return [
        Examples(f"/data/{index}", id=index + 1, custom_properties={"span": span, "version": version})
        for index, (span, version) in enumerate(pairs)
    ]


def chosen(strategy: ResolverStrategy, artifacts: list[Examples]) -> list[tuple[int, int]]:
    found = strategy.resolve_artifacts(NoHistory(), {"examples": artifacts})
    assert found is not None
    return [(spans.span_of(artifact), spans.version_of(artifact)) for artifact in found["examples"]]


def rolling(**fields: int) -> SpanRangeStrategy:
    return SpanRangeStrategy(RangeConfig(rolling_range=RollingRange(**fields)))


# The example in the documentation of TFX's rolling_range.
DOCUMENTED = ((1, 0), (2, 0), (3, 1), (3, 0), (7, 1), (8, 2))


def test_the_example_of_tfx_rolling_range() -> None:
    strategy = RollingRangeStrategy(
        start_span_number=3, num_spans=5, skip_num_recent_spans=1, keep_all_versions=True, exclude_span_numbers=[7],
        min_spans=1,
    )  # fmt: skip
    assert sorted(chosen(strategy, history(*DOCUMENTED))) == [(3, 0), (3, 1)]


def test_a_range_in_every_form_that_tfx_s_users_give_it() -> None:
    message = range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=2))
    artifacts = history((1, 0), (2, 0), (3, 0))
    for given_range in (message, {"rolling_range": {"num_spans": 2}}, '{"rollingRange": {"numSpans": 2}}'):
        assert chosen(SpanRangeStrategy(given_range), artifacts) == [(3, 0), (2, 0)]
        resolver = Resolver(SpanRangeStrategy, {"range_config": given_range}, examples=Channel(Examples))
        assert resolver.problems == []
    for wrong in (7, None, "2", ["rolling_range"]):
        with pytest.raises(ConfigError, match="expected a RangeConfig"):
            SpanRangeStrategy(wrong)
    with pytest.raises(ConfigError, match="did you mean 'rolling_range'"):
        SpanRangeStrategy({"rolling_rang": {}})


def test_the_latest_version_of_each_span_in_order() -> None:
    artifacts = history((2, 0), (1, 0), (2, 1), (3, 0), (1, 0))
    assert chosen(RollingRangeStrategy(num_spans=2), artifacts) == [(2, 1), (3, 0)]
    assert chosen(AllSpansStrategy(), artifacts) == [(1, 0), (2, 1), (3, 0)]
    assert chosen(StaticRangeStrategy(1, 2), artifacts) == [(1, 0), (2, 1)]
    assert chosen(StaticRangeStrategy(start_span_number=2), artifacts) == [(2, 1), (3, 0)]
    # The same span and version, ingested again: the newest.
    assert [artifact.id for artifact in spans.static_range(artifacts, start_span_number=1, end_span_number=1)] == [5]


def test_span_range_strategy_counts_back_over_missing_spans_and_gives_the_largest_first() -> None:
    artifacts = history((1, 0), (3, 0), (4, 0), (4, 1))
    assert chosen(rolling(num_spans=2), artifacts) == [(4, 0), (4, 1), (3, 0)]
    assert chosen(rolling(num_spans=3), artifacts) == [(4, 0), (4, 1), (3, 0)]
    assert chosen(rolling(num_spans=9, start_span_number=4), artifacts) == [(4, 0), (4, 1)]
    static = SpanRangeStrategy(RangeConfig(static_range=StaticRange(start_span_number=1, end_span_number=3)))
    assert chosen(static, artifacts) == [(3, 0), (1, 0)]
    assert chosen(static, []) == []


def test_spans_may_be_text_or_declared_properties() -> None:
    as_text = Examples("/a", id=1, custom_properties={"span": "12"})
    declared = ExampleStatistics("/b", id=2, properties={"span": 7})
    assert spans.span_of(as_text) == 12
    assert spans.span_of(declared) == 7
    assert spans.version_of(as_text) == 0


@pytest.mark.parametrize(
    "artifact",
    [Examples("/a", id=1), Schema("/b", id=2), Examples("/c", id=3, custom_properties={"span": "January"})],
)
def test_an_artifact_without_a_span_is_named(artifact: Any) -> None:
    with pytest.raises(ResolutionError, match=rf"{artifact.TYPE_NAME} {artifact.id} at '{artifact.uri}'.* a span"):
        AllSpansStrategy().resolve_artifacts(NoHistory(), {"examples": [artifact]})


def test_too_few_spans_give_none() -> None:
    artifacts = history((1, 0), (2, 0), (2, 1))
    assert chosen(RollingRangeStrategy(num_spans=3, min_spans=3), artifacts) == []
    assert chosen(RollingRangeStrategy(num_spans=3, min_spans=2), artifacts) == [(1, 0), (2, 1)]
    assert chosen(StaticRangeStrategy(min_spans=3), artifacts) == []


@pytest.mark.parametrize(
    ("strategy", "config", "message"),
    [
        (SpanRangeStrategy, {"range_config": RangeConfig()}, "static_range or rolling_range, received neither"),
        (SpanRangeStrategy, {"range_config": {"rolling_range": {"num_spans": 0}}}, "num_spans of at least 1"),
        (SpanRangeStrategy, {"range_config": {"static_range": {"start_span_number": 3}}}, "not before its start"),
        (SpanRangeStrategy, {"range_config": {"statik": {}}}, "no field 'statik'; known names: rolling_range"),
        (RollingRangeStrategy, {"num_spans": 0}, "num_spans of at least 1, received num_spans=0"),
        (RollingRangeStrategy, {"skip_num_recent_spans": -1}, "skip_num_recent_spans of at least 0"),
        (RollingRangeStrategy, {"start_span_number": -1}, "start_span_number of at least 0"),
        (StaticRangeStrategy, {"start_span_number": 5, "end_span_number": 4}, "not before the start"),
        (RollingRangeStrategy, {"spans": 3}, "unexpected keyword argument 'spans'"),
    ],
)
def test_wrong_settings_are_problems_of_the_resolver(strategy: Any, config: dict[str, Any], message: str) -> None:
    resolver = Resolver(strategy_class=strategy, config=config, examples=Channel(Examples))
    assert len(resolver.problems) == 1
    assert message in resolver.problems[0]


@pytest.mark.parametrize("function", [spans.latest_created, spans.latest_version])
def test_the_number_of_artifacts_must_be_positive(function: Any) -> None:
    with pytest.raises(ConfigError, match="n of at least 1, received n=0"):
        function([], n=0)


def test_latest_created_and_latest_version() -> None:
    artifacts = history((5, 2), (1, 9), (3, 4))
    assert [artifact.id for artifact in spans.latest_created(reversed(artifacts), n=2)] == [2, 3]
    assert [artifact.id for artifact in spans.latest_version(artifacts, n=2)] == [3, 1]


pairs = st.tuples(st.integers(0, 6), st.integers(0, 3))
numbers = st.integers(0, 8)


@given(
    st.lists(pairs, max_size=12), numbers, st.integers(1, 8), numbers, st.booleans(), st.sets(numbers, max_size=3),
    st.none() | numbers,
)  # fmt: skip
def test_rolling_range_follows_the_rules(
    delivered: list[tuple[int, int]], start: int, count: int, skip: int, keep: bool, out: set[int], least: int | None
) -> None:
    there = sorted({span for span, _ in delivered if span >= start})
    for _ in range(min(skip, len(there))):
        there.pop()
    while len(there) > count:
        there.pop(0)
    there = [span for span in there if span not in out]
    expected: list[int] = []
    for span in there if least is None or len(there) >= least else []:
        deliveries = sorted((version, index + 1) for index, (of, version) in enumerate(delivered) if of == span)
        expected += [artifact for _, artifact in (deliveries if keep else deliveries[-1:])]
    found = spans.rolling_range(
        history(*delivered), start_span_number=start, num_spans=count, skip_num_recent_spans=skip,
        keep_all_versions=keep, exclude_span_numbers=sorted(out), min_spans=least,
    )  # fmt: skip
    assert [artifact.id for artifact in found] == expected


@given(st.lists(pairs, max_size=12), st.integers(0, 8), st.integers(1, 8))
def test_span_range_strategy_follows_the_rules(delivered: list[tuple[int, int]], start: int, count: int) -> None:
    latest = max((span for span, _ in delivered), default=-1)
    inside = [pair for pair in delivered if pair[0] >= start and latest - count < pair[0] <= latest]
    assert chosen(rolling(num_spans=count, start_span_number=start), history(*delivered)) == sorted(
        inside, key=lambda pair: -pair[0]
    )


def test_range_config_in_every_form_tfx_s_users_wrote() -> None:
    from mlops_tfx.v1 import proto

    artifacts = history((1, 0), (2, 0), (3, 0))
    message = proto.RangeConfig(rolling_range=proto.RollingRange(num_spans=2))
    for form in (message, {"rolling_range": {"num_spans": 2}}, '{"rollingRange": {"numSpans": 2}}'):
        assert chosen(SpanRangeStrategy(range_config=form), artifacts) == [(3, 0), (2, 0)]
    node = Resolver(strategy_class=SpanRangeStrategy, config={"range_config": message}, examples=Channel(type=Examples))
    assert node.problems == []
    with pytest.raises(ConfigError, match="received neither"):
        SpanRangeStrategy(proto.RangeConfig())
