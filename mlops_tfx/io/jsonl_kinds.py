"""What the values of one key of JSON objects are, and what becomes of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import pyarrow as pa


class Value(enum.Enum):
    """Kinds of JSON values, as error messages name them."""

    NULL = "null"
    BOOLEAN = "true or false"
    INTEGER = "integers"
    FLOAT = "floats"
    TEXT = "text"


_PLAIN = {
    Value.NULL: pa.null(),
    Value.BOOLEAN: pa.bool_(),
    Value.INTEGER: pa.int64(),
    Value.FLOAT: pa.float64(),
    Value.TEXT: pa.large_string(),
}


@dataclass(frozen=True)
class Kind:
    """Kind of the values of a key.

    Attributes:
        value: of the values, or of those in the lists.
        is_list: whether they are lists; None while only null was seen.
    """

    value: Value = Value.NULL
    is_list: bool | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """The plain Arrow type that holds the values."""
        plain = _PLAIN[self.value]
        return pa.list_(plain) if self.is_list else plain

    def __str__(self) -> str:
        return f"lists of {self.value.value}" if self.is_list else self.value.value

    def joined(self, other: Kind) -> Kind | None:
        """The kind of both together, or None if there is none: integers and floats are floats, null is anything."""
        listing = {self.is_list, other.is_list} - {None}
        value = _joined(self.value, other.value)
        if len(listing) > 1 or value is None:
            return None
        return Kind(value, listing.pop() if listing else None)


def _joined(first: Value, second: Value) -> Value | None:
    if first is second or second is Value.NULL:
        return first
    if first is Value.NULL:
        return second
    return Value.FLOAT if {first, second} == {Value.INTEGER, Value.FLOAT} else None


def kind_of_type(data_type: pa.DataType) -> Kind | None:
    """The kind for a type that Arrow inferred, or None if it is nested too deep."""
    if pa.types.is_list(data_type):
        inner = kind_of_type(data_type.value_type)
        return None if inner is None or inner.is_list else Kind(inner.value, True)
    types = pa.types
    if types.is_null(data_type):
        return Kind()
    if types.is_boolean(data_type):
        return Kind(Value.BOOLEAN, False)
    if types.is_int64(data_type):
        return Kind(Value.INTEGER, False)
    if types.is_float64(data_type):
        return Kind(Value.FLOAT, False)
    # Arrow takes text that looks like a date for one.
    return Kind(Value.TEXT, False) if types.is_string(data_type) or types.is_timestamp(data_type) else None
