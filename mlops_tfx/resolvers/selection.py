"""Choosing artifacts by properties and position, in windows and pairs. Names and defaults are those of TFX's functions.

What depends on spans and versions alone is in `spans`.
"""

from __future__ import annotations

import builtins
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from mlops_tfx.artifacts import Artifact, PropertyValue
from mlops_tfx.errors import ConfigError, ResolutionError
from mlops_tfx.resolvers import spans

A = TypeVar("A", bound=Artifact)


def shuffle(artifacts: Iterable[A], *, seed: int | None = None) -> list[A]:
    """The artifacts in a random order; the same one every time if ``seed`` is given."""
    found = list(artifacts)
    return random.Random(seed).sample(found, len(found))


def filter_property_equal(artifacts: Iterable[A], *, key: str, value: PropertyValue) -> list[A]:
    """The artifacts whose declared property ``key`` has this value, in the given order; one without it is left out."""
    return [a for a in artifacts if key in a.properties and a.properties[key] == value]


def filter_custom_property_equal(artifacts: Iterable[A], *, key: str, value: PropertyValue) -> list[A]:
    """The artifacts whose custom property ``key`` has this value, in the given order; one without it is left out."""
    return [a for a in artifacts if key in a.custom_properties and a.custom_properties[key] == value]


def pick(artifacts: Sequence[A], i: int) -> list[A]:
    """The artifact at a position, which may be negative, as a list of one.

    Raises:
        ResolutionError: there are not so many.
    """
    return slice(artifacts, i, i + 1 or None, min_count=1)


def slice(
    artifacts: Sequence[A], start: int | None = None, stop: int | None = None, *, min_count: int | None = None
) -> list[A]:
    """``artifacts[start:stop]``.

    Raises:
        ResolutionError: fewer than ``min_count``.
    """
    chosen = list(artifacts[builtins.slice(start, stop)])
    if min_count is not None and len(chosen) < min_count:
        raise ResolutionError(
            f"expected at least {min_count} artifacts in [{start}:{stop}], received {len(chosen)} of {len(artifacts)}"
        )
    return chosen


def sliding_window(artifacts: Sequence[A], window_size: int, *, stride: int = 1) -> list[list[A]]:
    """All full windows of neighbouring artifacts, the start of each ``stride`` after the one before.

    Raises:
        ConfigError: a number is below 1.
    """
    spans.check_at_least("window_size", window_size, 1)
    spans.check_at_least("stride", stride, 1)
    starts = range(0, len(artifacts) - window_size + 1, stride)
    return [list(artifacts[start : start + window_size]) for start in starts]


def sequential_rolling_range(
    artifacts: Iterable[A],
    *,
    start_span_number: int | None = None,
    num_spans: int = 1,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    stride: int = 1,
) -> list[list[A]]:
    """Windows of ``num_spans`` artifacts over the oldest spans that follow each other without a gap.

    The spans begin with ``start_span_number`` (or the smallest there is; an excluded one is passed over) and end
    before the first gap, the first excluded span after it, or the latest ``skip_num_recent_spans`` numbers. As in TFX,
    a window counts artifacts: with ``keep_all_versions`` it may hold fewer spans.

    Raises:
        ConfigError: a number is too small.
    """
    spans.check_at_least("skip_num_recent_spans", skip_num_recent_spans, 0)
    ordered = spans.all_spans(artifacts, keep_all_versions=keep_all_versions)
    known = {spans.span_of(artifact) for artifact in ordered}
    excluded = set(exclude_span_numbers)
    negative = start_span_number is None or start_span_number < 0
    first = min(known, default=0) if negative or start_span_number is None else start_span_number
    while first in excluded:
        first += 1
    last = max(known, default=-1) - skip_num_recent_spans
    end = first
    while end <= last and end in known and end not in excluded:
        end += 1
    chosen = [artifact for artifact in ordered if first <= spans.span_of(artifact) < end]
    return sliding_window(chosen, num_spans, stride=stride)


def paired_spans(
    artifacts: Mapping[str, Iterable[A]], *, match_version: bool = True, keep_all_versions: bool = False
) -> list[dict[str, list[A]]]:
    """Artifacts of two or more channels that have one span (and version), in order of span; each list holds one.

    Args:
        artifacts: lists by name; fewer than two give no pair.
        match_version: versions must be equal too.
        keep_all_versions: pair every version, and not the latest of each span alone.

    Raises:
        ConfigError: ``keep_all_versions`` without ``match_version``.
    """
    if keep_all_versions and not match_version:
        raise ConfigError("expected match_version=True with keep_all_versions=True, received match_version=False")
    if len(artifacts) < 2:
        return []
    indexed = {
        key: {_place(a, match_version): a for a in spans.all_spans(found, keep_all_versions=keep_all_versions)}
        for key, found in artifacts.items()
    }
    common = set.intersection(*(set(by_place) for by_place in indexed.values()))
    return [{key: [by_place[place]] for key, by_place in indexed.items()} for place in sorted(common)]


def _place(artifact: Artifact, match_version: bool) -> tuple[int, ...]:
    span = spans.span_of(artifact)
    return (span, spans.version_of(artifact)) if match_version else (span,)
