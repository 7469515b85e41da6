"""``tfx.components.util.value_utils``: values by label."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def GetValues(inputs: Mapping[str, Any], label: str) -> Sequence[Any]:
    """Returns the values of a label; none if it is not there."""
    found = inputs.get(label, [])
    return found if isinstance(found, list) else [found]


def GetSoleValue(inputs: Mapping[str, Any], label: str, strict: bool = True) -> Any:
    """Returns the one value of a label; without ``strict``, None if there is none. Raises ValueError for several."""
    values = GetValues(inputs, label)
    if len(values) > 1 or (strict and not values):
        raise ValueError(f"label {label!r}: expected one value, received {len(values)}")
    return values[0] if values else None


def FunctionHasArg(fn: Callable[..., Any], arg_name: str) -> bool:
    """Whether a function has an argument of this name."""
    return arg_name in inspect.signature(fn).parameters
