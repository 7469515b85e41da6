"""``tfx.components.util.udf_utils`` and ``tfx.utils.import_utils``: users' functions, by module file or dotted path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from mlops_tfx.errors import UserCodeError


def get_fn(exec_properties: Mapping[str, Any], fn_name: str) -> Callable[..., Any]:
    """Returns the function that parameters name.

    Args:
        exec_properties: with ``module_file``, and possibly the function's name in it under ``fn_name``; or with the
            dotted path of a function under ``fn_name``.
        fn_name: name of the function, and of the parameter that may name another.

    Raises:
        ValueError: neither is given.
        UserCodeError: there is no such file or function.
    """
    from mlops_tfx.execution.user_code import load_function

    module_file, function = exec_properties.get("module_file"), exec_properties.get(fn_name)
    if module_file:
        return load_function(module_file, name=function or fn_name)
    if not function:
        raise ValueError(f"expected module_file or {fn_name} among the parameters, received neither")
    return load_function(function=function, name=fn_name)


def try_get_fn(exec_properties: Mapping[str, Any], fn_name: str) -> Callable[..., Any] | None:
    """Returns the function that parameters name, or None if there is none."""
    try:
        return get_fn(exec_properties, fn_name)
    except (ValueError, UserCodeError):
        return None


def import_func_from_source(source_path: str, fn_name: str) -> Callable[..., Any]:
    """Returns a function of a module file. Raises UserCodeError if there is none."""
    from mlops_tfx.execution.user_code import load_function

    return load_function(source_path, name=fn_name)


def import_func_from_module(module_path: str, fn_name: str) -> Callable[..., Any]:
    """Returns a function of a module. Raises ImportError or AttributeError if there is none."""
    found: Callable[..., Any] = getattr(importlib.import_module(module_path), fn_name)
    return found


def import_class_by_path(class_path: str) -> Any:
    """Returns the class of a dotted path. Raises ImportError or AttributeError if there is none."""
    module, _, name = class_path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def get_full_name(value: Any, strict_check: bool = True) -> str:
    """Returns module and name of a class or function."""
    return f"{value.__module__}.{value.__qualname__}"


def resolve_full_name(full_name: str) -> Any:
    """Returns the class or function with this module and name."""
    return import_class_by_path(full_name)


def add_user_module_dependency(component: Any) -> None:
    """Does nothing: a component's ``module_file`` is part of its cache key, and is found where it lies."""


def should_package_user_modules() -> bool:
    """Whether users' modules are made wheels of: they are not."""
    return False
