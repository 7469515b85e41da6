"""Choosing artifacts by span and version. Names, defaults and order are those of TFX's resolver functions.

An ExampleGen numbers what arrives: a span is a piece of the data, such as a day's; a version is one delivery of it. All
functions take artifacts in any order, and give the latest version of every span, unless all versions are asked for.
Equal spans and versions (the same data ingested again) are told apart by id: the newest is the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.errors import ConfigError, ResolutionError, did_you_mean

A = TypeVar("A", bound=Artifact)


def span_of(artifact: Artifact) -> int:
    """The artifact's span: the custom property that ExampleGens write (an integer, or its text), or the declared one.

    Raises:
        ResolutionError: it has none.
    """
    return _number(artifact, "span")


def version_of(artifact: Artifact) -> int:
    """The artifact's version; 0 if it has none."""
    if "version" not in artifact.custom_properties and "version" not in artifact.properties:
        return 0
    return _number(artifact, "version")


def _number(artifact: Artifact, name: str) -> int:
    value = artifact.custom_properties.get(name, artifact.properties.get(name))
    try:
        return int(value)  # type: ignore[arg-type]  # anything else is the error below
    except (TypeError, ValueError):
        raise ResolutionError(
            f"{artifact.TYPE_NAME} {artifact.id} at {artifact.uri!r}: expected a {name}, received {name}={value!r}; "
            "artifacts of an ExampleGen have one"
        ) from None


def latest_created(artifacts: Iterable[A], n: int = 1) -> list[A]:
    """The ``n`` newest artifacts, oldest of them first."""
    check_at_least("n", n, 1)
    return sorted(artifacts, key=lambda artifact: artifact.id)[-n:]


def latest_version(artifacts: Iterable[A], n: int = 1) -> list[A]:
    """The ``n`` artifacts of the largest versions, smallest of them first; where all have a span, it counts before."""
    check_at_least("n", n, 1)
    found = list(artifacts)
    spanned = all("span" in artifact.custom_properties or "span" in artifact.properties for artifact in found)
    order = (lambda a: (span_of(a), version_of(a), a.id)) if spanned else (lambda a: (0, version_of(a), a.id))
    return sorted(found, key=order)[-n:]


def static_range(
    artifacts: Iterable[A],
    *,
    start_span_number: int = -1,
    end_span_number: int = -1,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
) -> list[A]:
    """The artifacts of the spans from start to end, both included, in order of span; a negative end is open.

    With ``min_spans``, an empty list if there are fewer.
    """
    by_span = _by_span(artifacts)
    first = start_span_number if start_span_number >= 0 else min(by_span, default=0)
    last = end_span_number if end_span_number >= 0 else max(by_span, default=0)
    spans = [span for span in sorted(by_span) if first <= span <= last]
    return _chosen(by_span, spans, keep_all_versions, exclude_span_numbers, min_spans)


def rolling_range(
    artifacts: Iterable[A],
    *,
    start_span_number: int = 0,
    num_spans: int = 1,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
    version_sort_keys: Sequence[str] = (),
) -> list[A]:
    """The artifacts of the latest ``num_spans`` spans that are there, in order of span.

    In this order: spans below ``start_span_number`` are left out, then the latest ``skip_num_recent_spans``, then all
    but the latest ``num_spans``, and last the excluded ones, so that fewer than ``num_spans`` may remain. With
    ``min_spans``, an empty list if there are fewer. ``version_sort_keys`` name properties by which the versions of a
    span are ordered, in place of version and id.
    """
    check_at_least("start_span_number", start_span_number, 0)
    check_at_least("num_spans", num_spans, 1)
    check_at_least("skip_num_recent_spans", skip_num_recent_spans, 0)
    if "" in version_sort_keys:
        raise ConfigError(f"expected names in version_sort_keys, received {list(version_sort_keys)!r}")
    by_span = _by_span(artifacts, version_sort_keys)
    spans = [span for span in sorted(by_span) if span >= start_span_number]
    spans = spans[: len(spans) - skip_num_recent_spans][-num_spans:] if len(spans) > skip_num_recent_spans else []
    return _chosen(by_span, spans, keep_all_versions, exclude_span_numbers, min_spans)


def all_spans(artifacts: Iterable[A], *, keep_all_versions: bool = False) -> list[A]:
    """The artifacts of all spans, in order of span."""
    by_span = _by_span(artifacts)
    return _chosen(by_span, sorted(by_span), keep_all_versions, (), None)


def check_at_least(name: str, value: int, least: int) -> None:
    """Raises ConfigError if a setting is too small."""
    if value < least:
        raise ConfigError(f"expected {name} of at least {least}, received {name}={value!r}")


def _by_span(artifacts: Iterable[A], version_sort_keys: Sequence[str] = ()) -> dict[int, list[A]]:
    """Artifacts by span, each list in order of version; one artifact that several channels give counts once."""
    found: dict[int, dict[int, A]] = {}
    for artifact in artifacts:
        found.setdefault(span_of(artifact), {})[artifact.id] = artifact

    def order(artifact: Artifact) -> tuple[Any, ...]:
        if version_sort_keys:
            return tuple(_sort_value(artifact, key) for key in version_sort_keys)
        return version_of(artifact), artifact.id

    return {span: sorted(group.values(), key=order) for span, group in found.items()}


def _sort_value(artifact: Artifact, key: str) -> Any:
    name = key.removeprefix("mlmd_artifact.").removeprefix("custom_properties.").removeprefix("properties.")
    if name in ("id", "create_time_since_epoch", "last_update_time_since_epoch"):
        return artifact.id  # ids are given in the order of creation
    if name in ("uri", "version"):
        return artifact.uri if name == "uri" else version_of(artifact)
    values = {**artifact.properties, **artifact.custom_properties}
    if name not in values:
        raise ResolutionError(f"{artifact!r} has no {key!r} of version_sort_keys{did_you_mean(name, values)}")
    return values[name]


def _chosen(
    by_span: dict[int, list[A]],
    spans: Sequence[int],
    keep_all_versions: bool,
    excluded: Sequence[int],
    min_spans: int | None,
) -> list[A]:
    kept = [span for span in spans if span not in set(excluded)]
    if min_spans is not None and len(kept) < min_spans:
        return []
    return [artifact for span in kept for artifact in (by_span[span] if keep_all_versions else by_span[span][-1:])]
