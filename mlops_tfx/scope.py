"""Scope: a ``with`` block in a pipeline file; the nodes made inside belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlops_tfx.node import Node
    from mlops_tfx.placeholders import Placeholder

S = TypeVar("S", bound="Scope")


class Scope:
    """A block of nodes that something decides about together: whether, or how many times, they run.

    ``with Cond(...):`` and ``with ForEach(...):`` are scopes. They nest, the outermost first in ``Node.scopes``.
    """

    def __enter__(self: S) -> S:
        _OPEN.set((*_OPEN.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _OPEN.set(_OPEN.get()[:-1])

    def producers(self) -> Iterator[Node]:
        """The nodes outside that must have run before the scope can decide."""
        return iter(())

    def placeholders(self) -> Iterator[Placeholder]:
        """The placeholders that the scope asks when it decides."""
        return iter(())


_OPEN: ContextVar[tuple[Scope, ...]] = ContextVar("open_scopes", default=())


def open_scopes() -> tuple[Scope, ...]:
    """The scopes that are open where it is called, the outermost first."""
    return _OPEN.get()
