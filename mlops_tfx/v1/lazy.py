"""Modules whose names load when they are first used: importing the facade costs next to nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mlops_tfx.errors import did_you_mean

SUBMODULE = ""
"""In place of a home: the name is a module below the one that offers it."""


def offer(
    module: str, homes: Mapping[str, str], absent: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns the ``__getattr__`` and ``__dir__`` of a module that offers names of other modules.

    Args:
        module: ``__name__`` of the module that offers them.
        homes: the module that each name lives in; after a colon its path there, where that is another.
        absent: names of TFX's that are not offered, with the reason.
    """

    def get(name: str) -> Any:
        if name in (absent or {}):
            raise AttributeError(f"{module}.{name} is not offered: {(absent or {})[name]}")
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}{did_you_mean(name, homes)}")
        value = _find(f"{module}.{name}", homes[name], name)
        setattr(sys.modules[module], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return get, names


def _find(submodule: str, home: str, name: str) -> Any:
    if home == SUBMODULE:
        return importlib.import_module(submodule)
    place, _, path = home.partition(":")
    value: Any = importlib.import_module(place)
    for part in (path or name).split("."):
        value = getattr(value, part)
    return value
