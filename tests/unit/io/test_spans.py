"""Spans and versions in patterns: which are found, which are taken, and every wrong form."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import config, filesystem
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.io import inputs, spans


def pattern(text: str) -> config.Input:
    return config.Input(splits=[config.Input.Split(name="all", pattern=text)])


def static(first: int, last: int) -> config.RangeConfig:
    return config.RangeConfig(static_range=config.StaticRange(start_span_number=first, end_span_number=last))


def rolling(count: int, first: int = 0) -> config.RangeConfig:
    return config.RangeConfig(rolling_range=config.RollingRange(start_span_number=first, num_spans=count))


def make(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return str(folder)


def found(base: str, text: str, chosen: config.RangeConfig | None = None) -> list[tuple[int, int | None]]:
    return [(span.span, span.version) for span in inputs.find_spans(base, pattern(text), chosen)]


def test_ranges_over_several_spans(tmp_path: Path) -> None:
    base = make(tmp_path, *(f"day-{n}/v{v}/a" for n in (1, 2, 4, 9) for v in (1, 2)))
    text = "day-{SPAN}/v{VERSION}/*"
    assert found(base, text) == [(9, 2)]
    assert found(base, text, static(2, 8)) == [(2, 2), (4, 2)]
    assert found(base, text, static(0, 99)) == [(1, 2), (2, 2), (4, 2), (9, 2)]
    assert found(base, text, rolling(3)) == [(2, 2), (4, 2), (9, 2)]
    assert found(base, text, rolling(3, first=4)) == [(4, 2), (9, 2)]
    assert found(base, text, rolling(99)) == [(1, 2), (2, 2), (4, 2), (9, 2)]


def test_only_chosen_spans_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = make(tmp_path, *(f"day-{n}/a.csv" for n in range(20)))
    asked = []
    glob = filesystem.glob
    monkeypatch.setattr(filesystem, "glob", lambda text: asked.append(str(text)) or glob(text))
    inputs.find_spans(base, pattern("day-{SPAN}/*.csv"), rolling(2))
    assert {text.removeprefix(base + "/") for text in asked} == {"day-*", "day-18/*.csv", "day-19/*.csv"}


def test_a_folder_that_is_still_empty_is_no_span(tmp_path: Path) -> None:
    base = make(tmp_path, "day-1/a.csv", "day-2/a.txt")
    (tmp_path / "day-3").mkdir()
    assert found(base, "day-{SPAN}/*.csv") == [(1, None)]


def test_what_has_no_number_is_no_span(tmp_path: Path) -> None:
    base = make(tmp_path, "day-1/a", "day-old/a", "day-/a", "day-2x/a")
    assert found(base, "day-{SPAN}/*") == [(1, None)]


def test_names_with_glob_characters(tmp_path: Path) -> None:
    base = make(tmp_path / "a[1]*", "x.1/day-7.csv", "xx1/day-8.csv")
    assert found(base, "x.1/day-{SPAN}.csv") == [(7, None)]
    assert found(base, "[xy]?1/day-{SPAN}.csv", static(0, 9)) == [(7, None), (8, None)]
    assert found(base, "[!y]*/day-{SPAN}.csv", static(0, 9)) == [(7, None), (8, None)]


@given(st.dates(min_value=datetime.date(1970, 1, 1)))
def test_dates_are_days_since_1970(date: datetime.date) -> None:
    (parsed,) = spans.parse_patterns([("all", "{YYYY}/{MM}/{DD}/*")])
    place = parsed.place(f"{date.year:04}/{date.month:02}/{date.day:02}")
    assert place == spans.Place((date - datetime.date(1970, 1, 1)).days, None, f"{date:%Y/%m/%d}/*")


@given(st.dictionaries(st.integers(0, 10**6), st.sets(st.integers(0, 99), min_size=1), min_size=1), st.integers(1, 9))
def test_latest_versions_of_the_latest_spans(tree: dict[int, set[int]], count: int) -> None:
    (parsed,) = spans.parse_patterns([("all", "d{SPAN}_{VERSION}/*")])
    places = spans.latest_versions(parsed, [f"d{span}_{version}" for span in tree for version in tree[span]])
    chosen = spans.choose(places, rolling(count), parsed)
    assert [(place.span, place.version) for place in chosen] == [
        (span, max(tree[span])) for span in sorted(tree)[-count:]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a file pattern, received an empty one"),
        ("{SPAN}/{SPAN}", "expected {SPAN} once, received it 2 times"),
        ("{SPAN}/{VERSION}{VERSION:2}", "expected {VERSION} once"),
        ("{SPAN}/{YYYY}{MM}{DD}", "expected either {SPAN} or a date, received both"),
        ("{YYYY}-{MM}", "{DD} is missing"),
        ("{VERSION}/*", "received {VERSION} alone"),
        ("{SPAN:0}", "expected a width of at least 1"),
        ("{SPAN:}", "received ''"),
        ("{SPAN:-2}", "received '-2'"),
        ("{SPAN}/{VERSION:two}", "received 'two'"),
        ("{YYYY:4}{MM}{DD}", "{YYYY} has its own width"),
        ("{span}/*", "did you mean 'SPAN'?"),
        ("{SPNA}/*", "did you mean 'SPAN'?"),
    ],
)
def test_wrong_patterns(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        spans.parse_patterns([("all", text)])


def test_some_splits_with_spans_and_some_without() -> None:
    with pytest.raises(ConfigError, match="of all splits or none, received a: 'a-{SPAN}', b: 'b'"):
        spans.parse_patterns([("a", "a-{SPAN}"), ("b", "b")])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (config.RangeConfig(), "received neither"),
        (static(3, 2), "received start_span_number=3, end_span_number=2"),
        (static(-1, 2), "start_span_number=-1"),
        (rolling(0), "num_spans=0"),
        (rolling(1, first=-1), "start_span_number=-1"),
    ],
)
def test_wrong_ranges(chosen: config.RangeConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spans.check_range(chosen, spans.parse_patterns([("all", "{SPAN}")]))


def test_a_range_without_a_pattern() -> None:
    with pytest.raises(ConfigError, match=r"expected \{SPAN\} or \{YYYY\}, \{MM\}, \{DD\} .* received 'a/\*'"):
        spans.check_range(static(1, 1), spans.parse_patterns([("all", "a/*")]))


def test_no_span_in_the_range_lists_the_near_ones(tmp_path: Path) -> None:
    base = make(tmp_path, *(f"{n}/a" for n in range(30)))
    with pytest.raises(DataError, match=r"expected span 33 .* received spans 20, 21, .*29 and others"):
        found(base, "{SPAN}/*", static(33, 33))
    with pytest.raises(DataError, match=r"expected a span from 50 to 60"):
        found(base, "{SPAN}/*", static(50, 60))
    with pytest.raises(DataError, match=r"expected a span from 31 on"):
        found(base, "{SPAN}/*", rolling(2, first=31))


def test_one_span_under_two_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="received '01/\\*' and '1/\\*'; give {SPAN} and {VERSION} a width"):
        found(make(tmp_path, "01/a", "1/a"), "{SPAN}/*")


def test_splits_that_disagree(tmp_path: Path) -> None:
    base = make(tmp_path, "a-1/v1/x", "a-2/v1/x", "b-1/v2/x", "b-2/v2/x", "b-3/v1/x")
    splits = [config.Input.Split(name=name, pattern=f"{name}-{{SPAN}}/v{{VERSION}}/*") for name in ("a", "b")]
    with pytest.raises(DataError, match="received a: span 2 version 1; b: span 3 version 1"):
        inputs.find_spans(base, config.Input(splits=splits))
    with pytest.raises(DataError, match="received a: span 1 version 1; b: span 1 version 2"):
        inputs.find_spans(base, config.Input(splits=splits), static(1, 1))


def test_a_date_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a date that exists, received 2023-02-30"):
        found(make(tmp_path, "2023-02-30/a"), "{YYYY}-{MM}-{DD}/*")
