"""``tfx.components.example_gen.input_processor``: which span is taken, in which version."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import Any

from mlops_tfx import config
from mlops_tfx.compat import messages
from mlops_tfx.compat.example_gen import configuration
from mlops_tfx.errors import ConfigError


class InputProcessor(abc.ABC):
    """Decides on a span: subclasses say how its patterns are filled in.

    Args:
        splits: input splits, with ``name`` and ``pattern``.
        range_config: which span; by default the latest.
    """

    def __init__(self, splits: Iterable[Any], range_config: Any = None) -> None:
        self._splits = list(splits)
        self._range_config = range_config

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Returns the span (0 without a range) and its version."""
        wanted = _range(self._range_config)
        if wanted is None:
            span = 0
        else:
            span = wanted.static_range.start_span_number if wanted.static_range else self.get_latest_span()
        return span, self.get_latest_version(span)

    @abc.abstractmethod
    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns a pattern with span and version filled in."""

    @abc.abstractmethod
    def get_latest_span(self) -> int:
        """Returns the latest span that there is."""

    def get_latest_version(self, span: int) -> int | None:
        """Returns the latest version of a span, if it has any."""
        return None

    def get_input_fingerprint(self, span: int, version: int | None) -> str | None:
        """Returns what tells this input from others, if that is known."""
        return None


class FileBasedInputProcessor(InputProcessor):
    """Decides by the files that there are.

    Args:
        input_base_uri: their folder.
        splits: input splits, with ``name`` and ``pattern``.
        range_config: which span; by default the latest.

    Raises:
        ValueError: patterns and range do not go together.
    """

    def __init__(self, input_base_uri: str, splits: Iterable[Any], range_config: Any = None) -> None:
        super().__init__(splits, range_config)
        self._input_base_uri = input_base_uri
        specs = {configuration.verify_split_pattern_specs(split) for split in self._splits}
        if len(specs) > 1:
            raise ValueError("expected span, date and version in the patterns of all input splits, or of none")
        self._is_match_span, self._is_match_date, self._is_match_version = specs.pop() if specs else (False,) * 3
        self._fingerprint: str | None = None

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Returns the span and its version. Raises ValueError if the files do not say."""
        found = self._find(_range(self._range_config))
        from mlops_tfx.io import inputs

        self._fingerprint = inputs.fingerprint(found.splits)
        return found.span, found.version

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns a pattern with span, or date, and version filled in."""
        kinds = self._is_match_span, self._is_match_date, self._is_match_version
        return configuration.get_pattern_for_span_version(pattern, *kinds, span, version)

    def get_latest_span(self) -> int:
        """Returns the latest span that there is."""
        return int(self._find(None).span)

    def get_latest_version(self, span: int) -> int | None:
        """Returns the latest version of a span, if it has any."""
        one = config.StaticRange(start_span_number=span, end_span_number=span)
        version: int | None = self._find(config.RangeConfig(static_range=one)).version
        return version

    def get_input_fingerprint(self, span: int, version: int | None) -> str | None:
        """Returns TFX's fingerprint of the files, after ``resolve_span_and_version``."""
        return self._fingerprint

    def _find(self, wanted: config.RangeConfig | None) -> Any:
        from mlops_tfx.io import inputs

        splits = [config.Input.Split(name=split.name, pattern=split.pattern) for split in self._splits]
        try:
            return inputs.find_spans(self._input_base_uri, config.Input(splits=splits), wanted)[-1]
        except ConfigError as error:
            raise ValueError(str(error)) from error


class QueryBasedInputProcessor(InputProcessor):
    """Decides by the range alone: a query does not tell which spans there are."""

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns a query with the variables of a span replaced."""
        return configuration.get_query_for_span(pattern, span)

    def get_latest_span(self) -> int:
        """Raises NotImplementedError."""
        raise NotImplementedError("a query has no latest span; name the span with RangeConfig.static_range")


def _range(range_config: Any) -> config.RangeConfig | None:
    if range_config is None or isinstance(range_config, config.RangeConfig):
        return range_config
    plain = messages.proto_to_dict(range_config)
    return config.RangeConfig.model_validate(plain) if plain else None
