"""Finds the pipeline that a Python file defines."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from mlops_tfx.component import Component
from mlops_tfx.errors import ConfigError, UserCodeError, WiringError, did_you_mean
from mlops_tfx.execution.user_code import load_module, user_code
from mlops_tfx.pipeline import Pipeline

_FUNCTIONS = ("create_pipeline", "make_pipeline", "build_pipeline", "pipeline")


def load_pipeline(path: str) -> Pipeline:
    """Loads a pipeline from a file.

    Args:
        path: ``file.py``, or ``file.py:name`` where the file has several, other than parts of each other. The name is a
            Pipeline, or a function that takes no arguments and returns one.

    Raises:
        UserCodeError: the file does not exist or cannot be imported, or defines no pipeline, or several.
    """
    module_file, _, name = path.partition(":")
    module = load_module(module_file)
    if name:
        if not hasattr(module, name):
            raise UserCodeError(f"{module_file} defines no {name!r}")
        return _pipeline(getattr(module, name), f"{module_file}:{name}")
    found = {key: value for key, value in vars(module).items() if isinstance(value, Pipeline)}
    parts = {node for pipeline in found.values() for node in pipeline}
    objects = {key: value for key, value in found.items() if value not in parts}
    if len(objects) > 1:
        raise UserCodeError(f"{module_file} defines several pipelines; choose one: {module_file}:{min(objects)}")
    if objects:
        return next(iter(objects.values()))
    for function in _FUNCTIONS:
        if callable(getattr(module, function, None)):
            return _pipeline(getattr(module, function), f"{module_file}:{function}")
    raise UserCodeError(
        f"{module_file} defines no pipeline; expected a Pipeline object, or a function create_pipeline()"
    )


def load_component(path: str, name: str) -> Component:
    """Loads a component object that a pipeline's file (``file.py`` or ``file.py:name``) defines under a name.

    Raises:
        UserCodeError: there is no such component; near names are shown.
    """
    module_file = path.partition(":")[0]
    found = {key: value for key, value in vars(load_module(module_file)).items() if isinstance(value, Component)}
    if name not in found:
        raise UserCodeError(f"{module_file} defines no component {name!r}{did_you_mean(name, found)}")
    return found[name]


def parsed_parameters(pipeline: Pipeline, texts: Sequence[str]) -> dict[str, Any]:
    """Returns values of runtime parameters from texts ``name=value``, each in the parameter's type.

    Raises:
        WiringError: lists texts of another form, names that the pipeline does not have, values of another type.
    """
    declared = pipeline.runtime_parameters
    values: dict[str, Any] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            if not equals:
                raise ConfigError(f"expected --param name=value, received {text!r}")
            if name in values:
                raise ConfigError(f"runtime parameter {name!r} is given twice")
            # An unknown name is reported with all that the runner finds.
            values[name] = declared[name].parsed(value) if name in declared else value
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise WiringError(problems)
    return values


def _pipeline(found: Any, where: str) -> Pipeline:
    if isinstance(found, Pipeline):
        return found
    required = [
        name
        for name, parameter in inspect.signature(found).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    if required:
        raise UserCodeError(f"{where} must be callable without arguments; it requires {', '.join(required)}")
    with user_code(where):
        made = found()
    if not isinstance(made, Pipeline):
        raise UserCodeError(f"{where} must return a Pipeline, received {type(made).__name__}")
    return made
