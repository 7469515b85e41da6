"""Placeholders made of others: texts, paths, lists, dicts, messages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tfx.errors import NullValueError, PlaceholderError, ResolutionError
from mlops_tfx.placeholders.containers import resolve
from mlops_tfx.placeholders.expression import Placeholder
from mlops_tfx.placeholders.known import Known


def join(placeholders: Sequence[str | Placeholder], separator: str = "") -> Any:
    """Texts and placeholders one after the other; "" for none, and plain text if no placeholder is among them."""
    joined: Any = ""
    for index, part in enumerate(placeholders):
        joined = part if index == 0 else (joined + separator + part if separator else joined + part)
    return joined


class _Paths(Placeholder):
    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = tuple(parts)

    def operands(self) -> Sequence[Any]:
        return self._parts

    def _resolved(self, known: Known) -> list[str]:
        parts = [resolve(part, known) for part in self._parts]
        if not all(isinstance(part, str) for part in parts):
            raise ResolutionError(f"{self!r}: expected texts, received {parts!r}")
        return parts


class _JoinedPath(_Paths):
    def resolve(self, known: Known) -> str:
        return os.path.join(*self._resolved(known))

    def __repr__(self) -> str:
        return f"join_path({', '.join(map(repr, self._parts))})"


class _Folder(_Paths):
    def resolve(self, known: Known) -> str:
        return os.path.dirname(self._resolved(known)[0])

    def __repr__(self) -> str:
        return f"dirname({self._parts[0]!r})"


def join_path(*args: str | Placeholder) -> Placeholder:
    """``os.path.join`` of texts and placeholders."""
    return _JoinedPath(args)


def dirname(placeholder: Placeholder) -> Placeholder:
    """``os.path.dirname`` of a placeholder."""
    return _Folder([placeholder])


class _List(Placeholder):
    def __init__(self, elements: Sequence[Any]) -> None:
        self._elements = tuple(elements)

    def operands(self) -> Sequence[Any]:
        return self._elements

    def resolve(self, known: Known) -> list[Any]:
        return [_or_none(element, known) for element in self._elements]

    def __add__(self, right: Any) -> Placeholder:
        return _List((*self._elements, *_elements(right)))

    def __radd__(self, left: Any) -> Placeholder:
        return _List((*_elements(left), *self._elements))

    def __repr__(self) -> str:
        return f"make_list({list(self._elements)!r})"


def _elements(value: Any) -> Sequence[Any]:
    if not isinstance(value, _List | list | tuple):
        raise PlaceholderError(f"expected make_list([...]) or a list to add to a list, received {value!r}")
    return value.operands() if isinstance(value, _List) else value


def make_list(input_placeholders: Sequence[Any]) -> Placeholder:
    """A list of values and placeholders; one without a value is None in it."""
    return _List(input_placeholders)


class _Dict(Placeholder):
    def __init__(self, entries: Sequence[tuple[Any, Any]]) -> None:
        self._entries = tuple((key, value) for key, value in entries)

    def operands(self) -> Sequence[Any]:
        return [operand for entry in self._entries for operand in entry]

    def resolve(self, known: Known) -> dict[str, Any]:
        found = {resolve(key, known): _or_none(value, known) for key, value in self._entries}
        if not all(isinstance(key, str) for key in found):
            raise ResolutionError(f"{self!r}: expected text as keys, received {list(found)!r}")
        return {key: value for key, value in found.items() if value is not None}

    def __add__(self, right: Any) -> Placeholder:
        raise PlaceholderError(f"a dict cannot be added to anything: {self!r}")

    __radd__ = __add__

    def __repr__(self) -> str:
        return "make_dict({" + ", ".join(f"{key!r}: {value!r}" for key, value in self._entries) + "})"


def make_dict(entries: Mapping[str, Any] | Sequence[tuple[Any, Any]]) -> Placeholder:
    """A dict of values and placeholders, from a dict or from pairs (whose keys may be placeholders, too).

    Entries without a value are left out.
    """
    return _Dict(list(entries.items()) if isinstance(entries, Mapping) else list(entries))


class _Message(Placeholder):
    def __init__(self, base: Any, fields: Mapping[str, Any]) -> None:
        self._base = base
        self._fields = dict(fields)

    def operands(self) -> Sequence[Any]:
        return [self._base, *(operand for field in self._fields.items() for operand in field)]

    def resolve(self, known: Known) -> Any:
        fields = {name: _or_none(value, known) for name, value in self._fields.items()}
        fields = {name: value for name, value in fields.items() if value is not None}
        if hasattr(self._base, "model_dump"):
            set_before = {name: getattr(self._base, name) for name in self._base.model_fields_set}
            return type(self._base)(**{**set_before, **fields})
        return _merged(self._base, fields, self)

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in self._fields.items())
        return f"make_proto({type(self._base).__name__}{fields})"


def _merged(base: Any, fields: Mapping[str, Any], asked: Placeholder) -> Any:
    message = type(base)()
    message.CopyFrom(base)
    try:
        message.MergeFrom(type(base)(**fields))
    except (TypeError, ValueError) as error:
        raise ResolutionError(f"{asked!r}: {error}") from error
    return message


def make_proto(base_message: Any, **kwargs: Any) -> Placeholder:
    """A message (or configuration model) like ``base_message`` with further fields, whose values may be placeholders.

    Fields without a value stay as they are. Values may be nested ``make_proto``, dicts and lists.
    """
    return _Message(base_message, kwargs)


def _or_none(value: Any, known: Known) -> Any:
    try:
        return resolve(value, known)
    except NullValueError:
        return None
