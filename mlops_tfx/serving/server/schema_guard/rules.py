"""What a schema asks of one feature: how many values, of which type, in which domain.

A rule judges the values of one row, as Python has them, or a whole array. The first is faster for a few values, and
both say the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from mlops_tfx.serving.server.schema_guard.findings import (
    INFINITE,
    MISSING,
    NAN,
    OUTSIDE_DOMAIN,
    VALUE_COUNT,
    WRONG_TYPE,
    show,
)

FLOAT, INT, BYTES = "float_list", "int64_list", "bytes_list"
KINDS = {FLOAT: "floats", INT: "integers", BYTES: "strings"}
_MANY = 10
_INFINITE = (math.inf, -math.inf)
_INT64 = (-(2**63), 2**63 - 1)

# Where in an array which reason holds.
Faults = list[tuple[str, Any]]


class Domain(Protocol):
    """The values that a feature may have."""

    def describe(self, reason: str) -> str:
        """What is expected where ``reason`` holds."""
        ...

    def reason(self, value: Any) -> str | None:
        """Why one value is not in the domain; None if it is."""
        ...

    def faults(self, values: Any) -> Faults:
        """Masks of the values that are not in the domain, one per reason; a 1-D array in, none of them all false."""
        ...


@dataclass(frozen=True)
class Numbers:
    """Numbers from ``low`` to ``high``.

    Attributes:
        low: the least.
        high: the greatest.
        whole: whether only whole numbers are.
        allow_nan: whether NaN, which no bounds apply to, is one of them.
        allow_infinite: whether infinities within the bounds are.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    allow_nan: bool = True
    allow_infinite: bool = True

    def describe(self, reason: str) -> str:
        if reason == NAN:
            return "a number"
        if reason == INFINITE:
            return "a finite number"
        noun = "an integer" if self.whole else "a number"
        low, high = self._bound(self.low), self._bound(self.high)
        if low and high:
            return f"{noun} from {low} to {high}"
        return f"{noun}, at least {low}" if low else f"{noun}, at most {high}" if high else noun

    def _bound(self, value: float) -> str:
        return "" if value in _INFINITE or value in _INT64 else str(value)

    def reason(self, value: Any) -> str | None:
        if value != value:
            return self._nan_reason()
        if value in _INFINITE and not self.allow_infinite:
            return INFINITE
        if self.whole and (value in _INFINITE or value != math.floor(value)):
            return WRONG_TYPE
        return None if self.low <= value <= self.high else OUTSIDE_DOMAIN

    def _nan_reason(self) -> str | None:
        # An integer that is NaN is none.
        return WRONG_TYPE if self.whole else None if self.allow_nan else NAN

    def faults(self, values: Any) -> Faults:
        # Almost always all is well, which two passes tell.
        if len(values) == 0 or self.has_between(values.min(), values.max(), values.dtype):
            return []
        masks = []
        outside = (values < self.low) | (values > self.high)
        if values.dtype.kind == "f":
            nan, infinite = np.isnan(values), np.isinf(values)
            fraction = ~nan & (values != np.floor(values)) | infinite if self.whole else np.zeros(len(values), bool)
            infinite &= not self.allow_infinite
            fraction &= ~infinite
            reason = self._nan_reason()
            masks = [(INFINITE, infinite), (WRONG_TYPE, fraction | nan if reason == WRONG_TYPE else fraction)]
            masks += [(NAN, nan)] if reason == NAN else []
            outside &= ~(infinite | fraction | nan)
        return [(reason, mask) for reason, mask in [*masks, (OUTSIDE_DOMAIN, outside)] if mask.any()]

    def has_between(self, low: Any, high: Any, dtype: Any) -> bool:
        """Whether all values of a dtype from ``low`` to ``high`` are in the domain; NaN as a bound lets it be False."""
        if dtype.kind == "f" and (self.whole or (not self.allow_infinite and (low in _INFINITE or high in _INFINITE))):
            return False
        return bool(self.low <= low and high <= self.high)


@dataclass(frozen=True)
class Categories:
    """Some strings, which may be texts, and no others."""

    allowed: frozenset[bytes]

    def describe(self, reason: str) -> str:
        shown = ", ".join(show(value.decode("utf-8", "backslashreplace")) for value in sorted(self.allowed)[:_MANY])
        more = len(self.allowed) - _MANY
        return f"one of {shown} and {more} more" if more > 0 else f"one of {shown}"

    def reason(self, value: Any) -> str | None:
        return None if value in self.allowed else OUTSIDE_DOMAIN

    def faults(self, values: Any) -> Faults:
        found = values.tolist()
        if self.allowed.issuperset(found):
            return []
        allowed = self.allowed
        return [(OUTSIDE_DOMAIN, np.fromiter((value not in allowed for value in found), bool, len(found)))]


@dataclass(frozen=True)
class NumberTexts:
    """Strings that are numbers, in decimal digits."""

    numbers: Numbers

    def describe(self, reason: str) -> str:
        return f"the text of {self.numbers.describe(reason)}"

    def reason(self, value: Any) -> str | None:
        try:
            number: float = int(value) if self.numbers.whole else float(value)
        except ValueError:
            return WRONG_TYPE
        return self.numbers.reason(number)

    def faults(self, values: Any) -> Faults:
        try:
            numbers = values.astype(bytes).astype(np.int64 if self.numbers.whole else np.float64)
        except (ValueError, OverflowError):
            reasons = np.array([self.reason(value) for value in values.tolist()], object)
            return [(reason, reasons == reason) for reason in dict.fromkeys(reasons.tolist()) if reason]
        return self.numbers.faults(numbers)


def kind_of(dtype: Any) -> str | None:
    """Returns the list of a tf.Example that values of a numpy dtype go into; None if there is none."""
    return {"f": FLOAT, "i": INT, "u": INT, "b": INT, "O": BYTES}.get(dtype.kind)


@dataclass(frozen=True)
class FeatureRule:
    """What a schema asks of one feature.

    Attributes:
        name: the feature.
        kind: the list of a tf.Example that its values are in.
        required: whether every row must have it.
        fewest: values in a row that has it.
        most: likewise.
        domain: what the values may be; None for anything of the kind.
    """

    name: str
    kind: str
    required: bool = False
    fewest: int = 0
    most: float = math.inf
    domain: Domain | None = None

    @cached_property
    def takes_one(self) -> bool:
        """Whether a row may have one value."""
        return self.fewest <= 1 <= self.most

    def fits_one(self, value: Any) -> bool:
        """Whether a row of this one value is in order."""
        return self.takes_one and (self.domain is None or self.domain.reason(value) is None)

    def expected(self, reason: str) -> str:
        """What is expected where ``reason`` holds."""
        if reason == MISSING:
            return "a value in every row"
        if reason == VALUE_COUNT:
            return self._expected_count()
        if self.domain is None or (reason == WRONG_TYPE and self.kind == INT):
            return KINDS[self.kind]
        return self.domain.describe(reason)

    def _expected_count(self) -> str:
        if self.fewest == self.most:
            return f"{self.fewest} value{'s' * (self.fewest != 1)} in a row"
        if self.most == math.inf:
            return f"at least {self.fewest} values in a row"
        return f"{self.fewest} to {self.most:g} values in a row"

    def judge(self, values: Sequence[Any]) -> Sequence[tuple[str, str]]:
        """Returns what is wrong with the values of one row: reasons, each with a value."""
        count = len(values)
        if count == 0:
            return ((MISSING, "none"),) if self.required else ()
        found: list[tuple[str, str]] = []
        if not self.fewest <= count <= self.most:
            found.append((VALUE_COUNT, str(count)))
        if self.domain is not None:
            for value in values:
                reason = self.domain.reason(value)
                if reason is not None and reason not in [known for known, _ in found]:
                    found.append((reason, show(value)))
        return found

    def for_tensor(self, dtype: Any) -> FeatureRule | None:
        """Returns the rule for values that come in a tensor; None if the schema says nothing that fits its dtype.

        What dtype an input has is up to the model, not to the request. A float can be what the schema calls an integer.
        """
        kind = kind_of(dtype)
        if kind == self.kind or (kind == INT and self.kind == FLOAT):
            return self
        if kind == FLOAT and self.kind == INT:
            numbers = self.domain if isinstance(self.domain, Numbers) else Numbers(whole=True)
            return replace(self, domain=numbers)
        return None
