"""The expression language: comparisons, logic, concatenation, access to fields, encodings."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mlops_tfx.errors import NullValueError, PlaceholderError, ResolutionError
from mlops_tfx.placeholders.encodings import ENCODINGS, ListSerializationFormat, ProtoSerializationFormat
from mlops_tfx.placeholders.known import Known

if TYPE_CHECKING:
    from mlops_tfx.channel import BaseChannel


class Placeholder:
    """A value that is known only when a node runs: compare it, add text, and hand it on; do not look at it.

    Subclasses define ``resolve`` and, if they have operands, ``operands``.
    """

    def resolve(self, known: Known) -> Any:
        """Returns the value. Raises ResolutionError when it cannot be had, or is of a wrong kind."""
        raise NotImplementedError(f"{type(self).__name__} must define resolve()")

    def operands(self) -> Sequence[Any]:
        """What the expression is made of: placeholders and plain values."""
        return ()

    def traverse(self) -> Iterator[Placeholder]:
        """This placeholder and all that it is made of."""
        yield self
        for operand in self.operands():
            if isinstance(operand, Placeholder):
                yield from operand.traverse()

    def channels(self) -> Iterator[BaseChannel[Any]]:
        """The channels whose artifacts must be there before it can be resolved."""
        for operand in self.operands():
            if isinstance(operand, Placeholder):
                yield from operand.channels()

    def same_as(self, other: object) -> bool:
        """Whether the other is the same expression (``==`` makes a Predicate)."""
        if type(self) is not type(other) or not isinstance(other, Placeholder):
            return False
        mine, theirs = self.operands(), other.operands()
        return len(mine) == len(theirs) and all(_same(a, b) for a, b in zip(mine, theirs, strict=True))

    # What users write.

    def __eq__(self, other: object) -> Predicate:  # type: ignore[override]  # an expression, as in TFX
        return _Comparison("==", self, other)

    def __ne__(self, other: object) -> Predicate:  # type: ignore[override]
        return _Comparison("!=", self, other)

    def __lt__(self, other: object) -> Predicate:
        return _Comparison("<", self, other)

    def __le__(self, other: object) -> Predicate:
        return _Comparison("<=", self, other)

    def __gt__(self, other: object) -> Predicate:
        return _Comparison(">", self, other)

    def __ge__(self, other: object) -> Predicate:
        return _Comparison(">=", self, other)

    __hash__ = object.__hash__

    def __add__(self, right: Any) -> Placeholder:
        return _Concatenation((self, right))

    def __radd__(self, left: Any) -> Placeholder:
        return _Concatenation((left, self))

    def __getitem__(self, key: int | str) -> Placeholder:
        return _Item(self, key)

    def b64encode(self, url_safe: bool = True) -> Placeholder:
        """The value in Base64, with the alphabet for urls or the standard one."""
        return _Encoded(self, "b64encode", url_safe)

    def serialize(self, serialization_format: ProtoSerializationFormat) -> Placeholder:
        """The text (or bytes, for BINARY) of a message or a configuration model."""
        return _Encoded(self, "serialize", serialization_format)

    def serialize_list(self, serialization_format: ListSerializationFormat) -> Placeholder:
        """The text of a list of int, float, str and bool."""
        return _Encoded(self, "serialize_list", serialization_format)

    # What cannot work is refused, not misunderstood.

    def __bool__(self) -> bool:
        raise PlaceholderError(
            f"{self!r} is a placeholder and is neither true nor false before the node runs; "
            "join conditions with logical_and, logical_or and logical_not (or &, | and ~), and put them into Cond(...)"
        )

    def __iter__(self) -> NoReturn:
        raise PlaceholderError(
            f"iterating over the placeholder {self!r} is not supported, its value is known only when the node runs; "
            "is a ',' missing at the end of a tuple? Over artifacts, loop with ForEach"
        )

    def __format__(self, format_spec: str) -> str:
        raise PlaceholderError(
            f"formatting the placeholder {self!r} is not supported, its value is known only when the node runs; "
            "use + or join([...]) in place of an f-string"
        )

    def __deepcopy__(self, memo: object) -> Placeholder:
        return self


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Placeholder) or isinstance(b, Placeholder):
        return isinstance(a, Placeholder) and a.same_as(b)
    return a is b or (type(a) is type(b) and bool(a == b))


class Predicate(Placeholder):
    """A placeholder whose value is true or false."""

    def compared(self, known: Known) -> dict[str, Any]:
        """The values that it compares, by the text of their expressions; those that cannot be had are left out."""
        found: dict[str, Any] = {}
        operands = [operand for part in self.traverse() if isinstance(part, _Comparison) for operand in part.operands()]
        for operand in operands:
            with contextlib.suppress(ResolutionError):
                if isinstance(operand, Placeholder) and not isinstance(operand, Predicate):
                    found[repr(operand)] = operand.resolve(known)
        return found

    def __and__(self, other: Predicate) -> Predicate:
        return logical_and(self, other)

    def __or__(self, other: Predicate) -> Predicate:
        return logical_or(self, other)

    def __invert__(self) -> Predicate:
        return logical_not(self)

    def __add__(self, right: Any) -> Placeholder:
        raise PlaceholderError(f"a condition cannot be added to anything: {self!r}")

    def __radd__(self, left: Any) -> Placeholder:
        raise PlaceholderError(f"a condition cannot be added to anything: {self!r}")

    def b64encode(self, url_safe: bool = True) -> Placeholder:
        """Refused: a condition is no text."""
        raise PlaceholderError(f"a condition cannot be encoded: {self!r}")


def logical_not(pred: Predicate) -> Predicate:
    """The opposite of a predicate."""
    return _Not(_predicate(pred))


def logical_and(left: Predicate, right: Predicate) -> Predicate:
    """Both; the right one is not looked at when the left one is false."""
    return _Both(_predicate(left), _predicate(right))


def logical_or(left: Predicate, right: Predicate) -> Predicate:
    """One or both; the right one is not looked at when the left one is true."""
    return _Either(_predicate(left), _predicate(right))


def _predicate(value: Any) -> Predicate:
    if not isinstance(value, Predicate):
        raise PlaceholderError(f"expected a condition such as channel.future()[0].value > 5, received {value!r}")
    return value


class _Operation(Placeholder):
    """An expression with operands."""

    def __init__(self, *operands: Any) -> None:
        self._operands = operands

    def operands(self) -> Sequence[Any]:
        return self._operands


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Comparison(_Operation, Predicate):
    def resolve(self, known: Known) -> bool:
        sign, left, right = self._operands
        values = _value(left, known), _value(right, known)
        try:
            return bool(_COMPARE[sign](*values))
        except TypeError as error:
            raise ResolutionError(f"{self!r} cannot be decided: {values[0]!r} {sign} {values[1]!r}: {error}") from error

    def __repr__(self) -> str:
        sign, left, right = self._operands
        return f"{_inner(left)} {sign} {_inner(right)}"


class _Not(_Operation, Predicate):
    def resolve(self, known: Known) -> bool:
        return not self._operands[0].resolve(known)

    def __repr__(self) -> str:
        return f"not {_inner(self._operands[0])}"


class _Both(_Operation, Predicate):
    def resolve(self, known: Known) -> bool:
        return bool(self._operands[0].resolve(known) and self._operands[1].resolve(known))

    def __repr__(self) -> str:
        return " and ".join(_inner(operand) for operand in self._operands)


class _Either(_Operation, Predicate):
    def resolve(self, known: Known) -> bool:
        return bool(self._operands[0].resolve(known) or self._operands[1].resolve(known))

    def __repr__(self) -> str:
        return " or ".join(_inner(operand) for operand in self._operands)


class _Concatenation(Placeholder):
    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = tuple(inner for part in parts for inner in _flat(part))

    def operands(self) -> Sequence[Any]:
        return self._parts

    def resolve(self, known: Known) -> str:
        return "".join(str(_not_null(part, known)) for part in self._parts)

    def __repr__(self) -> str:
        return " + ".join(_inner(part) for part in self._parts)


def _flat(part: Any) -> Sequence[Any]:
    if not isinstance(part, Placeholder | str):
        raise PlaceholderError(f"expected text or a placeholder to add, received {part!r}")
    return part.operands() if isinstance(part, _Concatenation) else (part,)


class _Item(Placeholder):
    """An element of a list or dict, or a field of a message or configuration model."""

    def __init__(self, value: Placeholder, key: int | str) -> None:
        self._value = value
        self._item_key = key

    def operands(self) -> Sequence[Any]:
        return self._value, self._item_key

    def resolve(self, known: Known) -> Any:
        value = self._value.resolve(known)
        if value is None:
            raise NullValueError(f"{self!r}: {self._value!r} has no value")
        return _look_up(value, self._item_key, self)

    def __repr__(self) -> str:
        return f"{_inner(self._value)}[{self._item_key!r}]"


def field_of(value: Any, name: str, asked: Placeholder) -> Any:
    """Returns a field of a message, a configuration model or a dict. Raises ResolutionError if it has none."""
    if value is None:
        raise NullValueError(f"{asked!r}: there is no value")
    if isinstance(value, Mapping):
        return _look_up(value, name, asked)
    try:
        return getattr(value, name)
    except AttributeError as error:
        raise ResolutionError(f"{asked!r}: {error}") from error


def _look_up(value: Any, key: int | str, asked: Placeholder) -> Any:
    is_message = hasattr(value, "DESCRIPTOR") or hasattr(type(value), "model_fields")
    if isinstance(key, str) and is_message:
        return field_of(value, key, asked)
    try:
        return value[key]
    except (TypeError, IndexError, KeyError) as error:
        raise ResolutionError(f"{asked!r}: expected a value that has {key!r}, received {value!r}") from error


class _Encoded(_Operation):
    """A value as text or bytes; operands: the value, the name of the method, its option."""

    def resolve(self, known: Known) -> str | bytes:
        operand, method, option = self._operands
        value = _not_null(operand, known)
        try:
            return ENCODINGS[method](value, option)
        except (TypeError, AttributeError) as error:
            raise ResolutionError(f"{self!r}: {error}, received {value!r}") from error

    def __repr__(self) -> str:
        operand, method, option = self._operands
        return f"{_inner(operand)}.{method}({getattr(option, 'name', option)})"


def _value(operand: Any, known: Known) -> Any:
    return operand.resolve(known) if isinstance(operand, Placeholder) else operand


def _not_null(operand: Any, known: Known) -> Any:
    value = _value(operand, known)
    if value is None:
        raise NullValueError(f"{operand!r} has no value")
    return value


def _inner(operand: Any) -> str:
    text = repr(operand)
    return f"({text})" if isinstance(operand, Predicate | _Concatenation) else text
