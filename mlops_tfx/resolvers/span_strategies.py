"""Strategies that choose windows of spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.config import RangeConfig
from mlops_tfx.errors import ConfigError
from mlops_tfx.protos.forms import plain_fields
from mlops_tfx.resolvers import spans
from mlops_tfx.resolvers.strategies import ArtifactHistory, ResolverStrategy

Artifacts = Mapping[str, Sequence[Artifact]]


class SpanRangeStrategy(ResolverStrategy):
    """All artifacts whose span lies in a range, as TFX's strategy of this name; given on oldest first.

    A rolling range counts back from the largest span there is, also over spans that are missing. All versions of a span
    are kept; `RollingRangeStrategy` and `StaticRangeStrategy` keep the latest.

    Args:
        range_config: a RangeConfig with a static or a rolling range; also TFX's message, a dict or JSON text.

    Raises:
        ConfigError: the range is neither, or empty, or no RangeConfig.
    """

    def __init__(self, range_config: RangeConfig | Mapping[str, Any] | str) -> None:
        given = _range_config(range_config)
        static, rolling = given.static_range, given.rolling_range
        if static is None and rolling is None:
            raise ConfigError("expected a range_config with static_range or rolling_range, received neither")
        if static is not None and static.end_span_number < static.start_span_number:
            raise ConfigError(f"expected a range_config whose end is not before its start, received {static!r}")
        if rolling is not None:
            spans.check_at_least("num_spans", rolling.num_spans, 1)
        self._static, self._rolling = static, rolling

    def resolve_artifacts(self, store: ArtifactHistory, input_dict: Artifacts) -> Artifacts | None:
        """Chooses for every key by itself; a key without artifacts in the range gets an empty list."""
        return {key: self._choose(found) for key, found in input_dict.items()}

    def _choose(self, found: Sequence[Artifact]) -> list[Artifact]:
        numbers = {artifact.id: spans.span_of(artifact) for artifact in found}
        first, last = self._bounds(max(numbers.values(), default=-1))
        inside = [artifact for artifact in found if first <= numbers[artifact.id] <= last]
        return sorted(inside, key=lambda artifact: numbers[artifact.id], reverse=True)

    def _bounds(self, latest: int) -> tuple[int, int]:
        if self._static is not None:
            return self._static.start_span_number, self._static.end_span_number
        assert self._rolling is not None  # for type checkers; see __init__
        return max(self._rolling.start_span_number, latest - self._rolling.num_spans + 1), latest


class RollingRangeStrategy(ResolverStrategy):
    """The latest version of each of the latest ``num_spans`` spans, in order of span; see `spans.rolling_range`.

    Raises:
        ConfigError: a number is too small.
    """

    KEEPS_ORDER = True

    def __init__(
        self,
        num_spans: int = 1,
        start_span_number: int = 0,
        skip_num_recent_spans: int = 0,
        keep_all_versions: bool = False,
        exclude_span_numbers: Sequence[int] = (),
        min_spans: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "num_spans": num_spans,
            "start_span_number": start_span_number,
            "skip_num_recent_spans": skip_num_recent_spans,
            "keep_all_versions": keep_all_versions,
            "exclude_span_numbers": exclude_span_numbers,
            "min_spans": min_spans,
        }
        spans.rolling_range([], **self._settings)

    def resolve_artifacts(self, store: ArtifactHistory, input_dict: Artifacts) -> Artifacts | None:
        """Chooses for every key by itself."""
        return {key: spans.rolling_range(found, **self._settings) for key, found in input_dict.items()}


class StaticRangeStrategy(ResolverStrategy):
    """The latest version of each span from start to end, in order of span; see `spans.static_range`."""

    KEEPS_ORDER = True

    def __init__(
        self,
        start_span_number: int = -1,
        end_span_number: int = -1,
        keep_all_versions: bool = False,
        exclude_span_numbers: Sequence[int] = (),
        min_spans: int | None = None,
    ) -> None:
        if 0 <= end_span_number < start_span_number:
            raise ConfigError(
                "expected an end that is not before the start, received "
                f"start_span_number={start_span_number}, end_span_number={end_span_number}"
            )
        self._settings: dict[str, Any] = {
            "start_span_number": start_span_number,
            "end_span_number": end_span_number,
            "keep_all_versions": keep_all_versions,
            "exclude_span_numbers": exclude_span_numbers,
            "min_spans": min_spans,
        }

    def resolve_artifacts(self, store: ArtifactHistory, input_dict: Artifacts) -> Artifacts | None:
        """Chooses for every key by itself."""
        return {key: spans.static_range(found, **self._settings) for key, found in input_dict.items()}


class AllSpansStrategy(ResolverStrategy):
    """The latest version of every span, in order of span."""

    KEEPS_ORDER = True

    def __init__(self, keep_all_versions: bool = False) -> None:
        self._keep_all_versions = keep_all_versions

    def resolve_artifacts(self, store: ArtifactHistory, input_dict: Artifacts) -> Artifacts | None:
        """Chooses for every key by itself."""
        return {
            key: spans.all_spans(found, keep_all_versions=self._keep_all_versions) for key, found in input_dict.items()
        }


def _range_config(given: Any) -> RangeConfig:
    if isinstance(given, RangeConfig):
        return given
    fields = plain_fields(given, RangeConfig.model_fields)
    if not isinstance(fields, Mapping):
        raise ConfigError(f"expected a RangeConfig, a message, a dict or JSON text, received range_config={given!r}")
    return RangeConfig(**fields)
