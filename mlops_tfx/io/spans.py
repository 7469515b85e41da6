"""Spans and versions in the file patterns of ExampleGens, by TFX's rules, and which of them a RangeConfig takes.

``{SPAN}`` or ``{SPAN:width}`` stands for a number; ``{YYYY}``, ``{MM}`` and ``{DD}`` together for a date, whose span is
the number of days since 1970-01-01; ``{VERSION}`` or ``{VERSION:width}`` for the version of a span. A width is the
exact number of digits, filled with zeros. Beyond TFX, a range may take several spans.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tfx.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx import config

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)(:[^{}]*)?\}")
_DATE = ("YYYY", "MM", "DD")
_NAMES = ("SPAN", "VERSION", *_DATE)
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]")
_NEAR = 10


@dataclass(frozen=True)
class Place:
    """One span, in one version, of one input split.

    Attributes:
        span: its number; 0 for a pattern without placeholders.
        version: its version, or None for a pattern without ``{VERSION}``.
        pattern: the pattern with all placeholders filled in.
    """

    span: int
    version: int | None
    pattern: str


@dataclass(frozen=True)
class SpanPattern:
    """A pattern, taken apart.

    Attributes:
        split: name of the input split.
        text: the pattern.
        placeholders: names of the placeholders in it, in order.
    """

    split: str
    text: str
    placeholders: tuple[str, ...]

    @property
    def has_span(self) -> bool:
        """Whether the pattern stands for several spans."""
        return bool(self.placeholders)

    @property
    def head(self) -> str:
        """The pattern up to the last path step with a placeholder: what must be listed to find the spans."""
        end = max(match.end() for match in _PLACEHOLDER.finditer(self.text))
        stop = self.text.find("/", end)
        return self.text if stop < 0 else self.text[:stop]

    def head_glob(self) -> str:
        """`head` with a wildcard for every placeholder."""
        return _PLACEHOLDER.sub("*", self.head)

    def place(self, path: str) -> Place | None:
        """The span that a listed path (relative to the folder of the data) belongs to; None if it has no number.

        Raises:
            DataError: the path has a date that does not exist.
        """
        match = re.fullmatch(_regex(self.head), path)
        if match is None:
            return None
        found = match.groupdict()
        pattern = _PLACEHOLDER.sub(lambda placeholder: found[placeholder.group(1)], self.text)
        version = int(found["VERSION"]) if "VERSION" in found else None
        return Place(int(found["SPAN"]) if "SPAN" in found else _day(found, path), version, pattern)

    def check_width(self, path: str, wanted: range | None) -> None:
        """Raises DataError if a path that is no span would be a wanted one but for the width of its numbers."""
        any_width = _PLACEHOLDER.sub(lambda placeholder: f"{{{placeholder.group(1)}}}", self.head)
        match = re.fullmatch(_regex(any_width), path) if "SPAN" in self.placeholders else None
        if match is not None and (wanted is None or int(match.group("SPAN")) in wanted):
            raise DataError(
                f"{path}: expected numbers of as many digits as pattern={self.text!r} says, received others; leave the "
                f"width out, or rename the path"
            )


def parse_patterns(patterns: Iterable[tuple[str, str]]) -> list[SpanPattern]:
    """Takes the patterns of all input splits apart.

    Args:
        patterns: name and pattern of every split.

    Raises:
        ConfigError: a placeholder is unknown, occurs twice, has a bad width, or does not go with the others.
    """
    parsed = [_parse(name, pattern) for name, pattern in patterns]
    if len({pattern.has_span for pattern in parsed}) > 1:
        listing = ", ".join(f"{pattern.split}: {pattern.text!r}" for pattern in parsed)
        raise ConfigError(f"expected {{SPAN}} or a date in the patterns of all splits or none, received {listing}")
    return parsed


def _parse(split: str, pattern: str) -> SpanPattern:
    where = f"input split {split!r}, pattern={pattern!r}"
    if not pattern:
        raise ConfigError(f"input split {split!r}: expected a file pattern, received an empty one")
    names = []
    for match in _PLACEHOLDER.finditer(pattern):
        _check_placeholder(match.group(1), match.group(2), where)
        names.append(match.group(1))
    for name in set(names):
        if names.count(name) > 1:
            raise ConfigError(f"{where}: expected {{{name}}} once, received it {names.count(name)} times")
    dates = [name for name in _DATE if name in names]
    if dates and "SPAN" in names:
        raise ConfigError(f"{where}: expected either {{SPAN}} or a date, received both")
    if dates and len(dates) < len(_DATE):
        missing = ", ".join(f"{{{name}}}" for name in _DATE if name not in dates)
        raise ConfigError(f"{where}: expected a date of {{YYYY}}, {{MM}} and {{DD}}; {missing} is missing")
    if "VERSION" in names and not dates and "SPAN" not in names:
        raise ConfigError(f"{where}: expected {{SPAN}} or a date beside {{VERSION}}, received {{VERSION}} alone")
    return SpanPattern(split, pattern, tuple(names))


def _check_placeholder(name: str, width: str | None, where: str) -> None:
    if name not in _NAMES:
        hint = did_you_mean(name.upper(), _NAMES)
        raise ConfigError(f"{where}: expected one of {', '.join(_NAMES)} in braces, received {{{name}}}{hint}")
    if width is None:
        return
    if name in _DATE:
        raise ConfigError(f"{where}: {{{name}}} has its own width, received {{{name}{width}}}")
    digits = width[1:]
    if not digits.isdecimal() or not int(digits):
        raise ConfigError(f"{where}: expected a width of at least 1 in {{{name}:width}}, received {digits!r}")


def _regex(head: str) -> str:
    """What matches a path that belongs to the pattern, with a group for every placeholder."""
    out, position = [], 0
    for match in _PLACEHOLDER.finditer(head):
        out.append(_glob_regex(head[position : match.start()]))
        name, width = match.group(1), match.group(2)
        digits = {"YYYY": "{4}", "MM": "{2}", "DD": "{2}"}.get(name) or (f"{{{int(width[1:])}}}" if width else "+")
        out.append(rf"(?P<{name}>[0-9]{digits})")
        position = match.end()
    return "".join([*out, _glob_regex(head[position:])])


def _glob_regex(text: str) -> str:
    out, position = [], 0
    for match in _GLOB.finditer(text):
        out.append(re.escape(text[position : match.start()]))
        token = match.group()
        known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        out.append(known.get(token) or token.replace("[!", "[^"))
        position = match.end()
    return "".join([*out, re.escape(text[position:])])


def _day(found: Mapping[str, str], path: str) -> int:
    try:
        date = datetime.date(*(int(found[name]) for name in _DATE))
    except ValueError as error:
        text = "-".join(found[name] for name in _DATE)
        raise DataError(f"{path}: expected a date that exists, received {text} ({error})") from error
    return date.toordinal() - _EPOCH


def check_range(range_config: config.RangeConfig | None, patterns: Sequence[SpanPattern]) -> None:
    """Raises ConfigError for a range that no span can be in, or for patterns that know no spans."""
    if range_config is None:
        return
    if not any(pattern.has_span for pattern in patterns):
        listing = ", ".join(repr(pattern.text) for pattern in patterns)
        raise ConfigError(
            f"range_config: expected {{SPAN}} or {{YYYY}}, {{MM}}, {{DD}} in the patterns of input_config, received "
            f"{listing}"
        )
    static, rolling = range_config.static_range, range_config.rolling_range
    if static is None and rolling is None:
        raise ConfigError("range_config: expected static_range or rolling_range, received neither")
    if static and not 0 <= static.start_span_number <= static.end_span_number:
        raise ConfigError(
            f"range_config: expected 0 <= start_span_number <= end_span_number, received "
            f"start_span_number={static.start_span_number}, end_span_number={static.end_span_number}"
        )
    if rolling and (rolling.num_spans < 1 or rolling.start_span_number < 0):
        raise ConfigError(
            f"range_config: expected num_spans of at least 1 and start_span_number of at least 0, received "
            f"num_spans={rolling.num_spans}, start_span_number={rolling.start_span_number}"
        )


def latest_versions(
    pattern: SpanPattern, paths: Iterable[str], range_config: config.RangeConfig | None = None
) -> dict[int, Place]:
    """The latest version of every span, by span, in order.

    Raises:
        DataError: a path has a date that does not exist or a number of another width, or a span is there under two
            names (``1`` and ``01``).
    """
    static = range_config.static_range if range_config else None
    wanted = range(static.start_span_number, static.end_span_number + 1) if static else None
    places: dict[int, Place] = {}
    for path in paths:
        place = pattern.place(path)
        if place is None:
            pattern.check_width(path, wanted)
            continue
        known = places.setdefault(place.span, place)
        if (place.version or 0) > (known.version or 0):
            places[place.span] = place
        elif place.version == known.version and place.pattern != known.pattern:
            raise DataError(
                f"input split {pattern.split!r}: expected every span and version once, received "
                f"{known.pattern!r} and {place.pattern!r}; give {{SPAN}} and {{VERSION}} a width, or rename one"
            )
    return dict(sorted(places.items()))


def choose(places: Mapping[int, Place], range_config: config.RangeConfig | None, pattern: SpanPattern) -> list[Place]:
    """The spans that a range takes, in order; without a range, the latest one.

    Raises:
        DataError: there is none; the message lists the spans that are there.
    """
    spans = list(places)
    if range_config is None:
        chosen, wanted = spans[-1:], "at least one span"
    elif range_config.static_range is not None:
        first, last = range_config.static_range.start_span_number, range_config.static_range.end_span_number
        chosen = [span for span in spans if first <= span <= last]
        wanted = f"span {first}" if first == last else f"a span from {first} to {last}"
    else:
        assert range_config.rolling_range is not None
        first = range_config.rolling_range.start_span_number
        chosen = [span for span in spans if span >= first][-range_config.rolling_range.num_spans :]
        wanted = f"a span from {first} on"
    if not chosen:
        raise DataError(
            f"input split {pattern.split!r}: expected {wanted} for pattern={pattern.text!r}, "
            f"received {_near(spans, range_config)}"
        )
    return [places[span] for span in chosen]


def _near(spans: Sequence[int], range_config: config.RangeConfig | None) -> str:
    if not spans:
        return "none that matches"
    static = range_config.static_range if range_config else None
    middle = static.start_span_number if static else spans[-1]
    near = sorted(sorted(spans, key=lambda span: abs(span - middle))[:_NEAR])
    return f"spans {', '.join(map(str, near))}{' and others' if len(spans) > len(near) else ''}"


def check_agreement(chosen: Mapping[str, Sequence[Place]]) -> None:
    """Raises DataError unless all input splits have the same spans, in the same versions."""
    listings = {split: [(place.span, place.version) for place in places] for split, places in chosen.items()}
    first = next(iter(listings.values()))
    if any(listing != first for listing in listings.values()):
        texts = [f"{split}: {', '.join(map(_name, listing))}" for split, listing in listings.items()]
        raise DataError(
            f"expected the same spans and versions in every input split, received {'; '.join(texts)}; "
            f"complete the data, or choose the spans by range_config"
        )


def _name(place: tuple[int, int | None]) -> str:
    span, version = place
    return f"span {span}" if version is None else f"span {span} version {version}"
