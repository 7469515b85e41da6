"""What does not fit the schema in one request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MISSING = "missing"
VALUE_COUNT = "value_count"
WRONG_TYPE = "wrong_type"
OUTSIDE_DOMAIN = "outside_domain"
NAN = "nan"
INFINITE = "infinite"
UNKNOWN_FEATURE = "unknown_feature"
UNREADABLE = "unreadable"
# The model reads no feature that the schema does not have, so that its being there is no reason to refuse a request.
NEVER_REFUSED = frozenset([UNKNOWN_FEATURE])

_SHOWN = 5
_LONGEST_VALUE = 40


@dataclass(slots=True)
class Finding:
    """One feature, one reason.

    Attributes:
        feature: its name; empty if it is none of the schema's.
        reason: one of the words above; with ``feature`` they are labels of a metric, so there are only so many.
        expected: what the schema asks for.
        received: the first value that is something else, as text.
        row: the row of that value, from 0.
        rows: how many rows have such values.
    """

    feature: str
    reason: str
    expected: str
    received: str
    row: int
    rows: int = 1

    def __str__(self) -> str:
        more = f" and {self.rows - 1} more" if self.rows > 1 else ""
        name = f"{self.feature}: " if self.feature else ""
        return f"{name}expected {self.expected}, received {self.received} in row {self.row}{more}"


class Findings:
    """All that was found, by feature and reason, in the order in which it was."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, feature: str, reason: str, expected: str, received: str, row: int, rows: int = 1) -> None:
        """Adds rows to a finding, which keeps the value and the row that it was first seen with."""
        known = self._found.get((feature, reason))
        if known is None:
            self._found[feature, reason] = Finding(feature, reason, expected, received, row, rows)
        else:
            known.rows += rows

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    @property
    def refused(self) -> list[Finding]:
        """Those for which a request can be refused."""
        return [finding for finding in self if finding.reason not in NEVER_REFUSED]


def describe(findings: list[Finding]) -> str:
    """Returns the text of the first few findings, in one line."""
    more = len(findings) - _SHOWN
    text = "; ".join(map(str, findings[:_SHOWN]))
    return f"{text}; and {more} more features or reasons" if more > 0 else text


def show(value: Any) -> str:
    """Returns a value as printable ASCII, cut if it is long."""
    text = ascii(value[: 2 * _LONGEST_VALUE] if isinstance(value, bytes) else value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
