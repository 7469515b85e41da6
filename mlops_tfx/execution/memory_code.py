"""A digest of the code of a class that no file has: made in a notebook, or at a prompt."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator
from typing import Any


def memory_digest(cls: type) -> str:
    """Returns the SHA-256 over the bytecode of a class's own functions, and of functions of its module they name.

    Line numbers and file names, which differ each time a cell is run, are left out.
    """
    seen: set[int] = set()
    digest = hashlib.sha256()
    for name, value in sorted(vars(cls).items()):
        for function in _functions(value):
            digest.update(f"{name}{_described(function, seen)}".encode())
    return digest.hexdigest()


def _functions(value: Any) -> Iterator[types.FunctionType]:
    value = getattr(value, "__func__", value)
    if isinstance(value, property):
        yield from (each for each in (value.fget, value.fset) if isinstance(each, types.FunctionType))
    elif isinstance(value, types.FunctionType):
        yield value


def _described(function: types.FunctionType, seen: set[int]) -> str:
    if id(function) in seen:
        return ""
    seen.add(id(function))
    parts = [_code(function.__code__), repr(function.__defaults__), repr(function.__kwdefaults__)]
    for name in _names(function.__code__):
        other = function.__globals__.get(name)
        # Another cell's function, or constant, is part of what this one does; modules and classes have files.
        if isinstance(other, types.FunctionType) and other.__module__ == function.__module__:
            parts.append(name + _described(other, seen))
        elif isinstance(other, str | bytes | int | float | bool):
            parts.append(f"{name}={other!r}")
    return "|".join(parts)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _code(code: types.CodeType) -> str:
    constants = [_code(each) if isinstance(each, types.CodeType) else repr(each) for each in code.co_consts]
    return f"{code.co_code.hex()}({','.join(constants)})({','.join(code.co_names)})({','.join(code.co_varnames)})"
