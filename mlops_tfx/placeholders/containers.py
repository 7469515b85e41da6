"""Placeholders inside lists, dicts and configuration models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_tfx.placeholders.expression import Placeholder
from mlops_tfx.placeholders.known import Known


def placeholders_in(value: Any) -> Iterator[Placeholder]:
    """Yields the outermost placeholders in a value."""
    if isinstance(value, Placeholder):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from placeholders_in(key)
            yield from placeholders_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from placeholders_in(item)
    elif hasattr(type(value), "model_fields"):
        yield from placeholders_in(vars(value))


def contains_placeholder(value: Any) -> bool:
    """Whether there is any placeholder in a value."""
    return next(placeholders_in(value), None) is not None


def resolve(value: Any, known: Known) -> Any:
    """Returns the value with every placeholder in it replaced; a configuration model is made anew, and so checked.

    Raises:
        ResolutionError: a placeholder cannot be resolved.
        ConfigError: a configuration model refuses a value.
    """
    if isinstance(value, Placeholder):
        return value.resolve(known)
    if not contains_placeholder(value):
        return value
    if isinstance(value, Mapping):
        return {resolve(key, known): resolve(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([resolve(item, known) for item in value])
    fields = {name: resolve(getattr(value, name), known) for name in value.model_fields_set}
    return type(value)(**fields)
