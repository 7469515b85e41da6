"""``tfx.utils.doc_controls`` and ``deprecation_utils``: decorators that change nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def do_not_doc_in_subclasses(obj: T) -> T:
    """Returns the object."""
    return obj


def do_not_doc_inheritable(obj: T) -> T:
    """Returns the object."""
    return obj


def do_not_generate_docs(obj: T) -> T:
    """Returns the object."""
    return obj


def documented(obj: T, doc: str) -> T:
    """Returns the object."""
    return obj


def deprecated(date: str | None, instructions: str, warn_once: bool = True) -> Callable[[T], T]:
    """Returns a decorator that returns what it decorates."""
    return do_not_generate_docs


def deprecated_alias(deprecated_name: str, name: str, func_or_class: Any, warn_once: bool = True) -> Any:
    """Returns the function or class."""
    return func_or_class
