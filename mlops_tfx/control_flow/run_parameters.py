"""The runtime parameters of a pipeline: which there are, and whether the given values fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlops_tfx.errors import ConfigError, WiringError, did_you_mean
from mlops_tfx.node import Node
from mlops_tfx.placeholders import PIPELINE_ROOT, PIPELINE_RUN_ID, RuntimeParameter, runtime_parameters_in


def declared_parameters(settings: Iterable[Any], nodes: Iterable[Node]) -> dict[str, RuntimeParameter]:
    """Returns the runtime parameters in the settings of a pipeline and in its nodes, by name.

    Raises:
        WiringError: one name stands for two different parameters.
    """
    found: dict[str, RuntimeParameter] = {}
    for parameter in runtime_parameters_in([*settings, *_asked(nodes)]):
        before = found.setdefault(parameter.name, parameter)
        if not before.agrees_with(parameter):
            two = f"with {before.declaration} and with {parameter.declaration}"
            raise WiringError([f"runtime parameter {parameter.name!r} is declared twice, {two}"])
    return found


def _asked(nodes: Iterable[Node]) -> Iterator[Any]:
    """All placeholders of nodes and of the blocks they stand in."""
    for node in nodes:
        yield list(node.placeholders())
        for scope in node.scopes:
            yield list(scope.placeholders())


def checked_values(declared: Mapping[str, RuntimeParameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the given values in their declared types.

    Raises:
        WiringError: lists unknown names, wrong types, and parameters that have neither a value nor a default.
    """
    problems = list(_problems(declared, given))
    if problems:
        raise WiringError(problems)
    return {name: declared[name].checked(value) for name, value in given.items()}


def _problems(declared: Mapping[str, RuntimeParameter], given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if name not in declared:
            yield f"there is no runtime parameter {name!r}{did_you_mean(name, declared)}"
            continue
        try:
            declared[name].checked(value)
        except ConfigError as error:
            yield str(error)
    for name, parameter in declared.items():
        # These two every run has.
        if name not in given and parameter.default is None and name not in (PIPELINE_ROOT, PIPELINE_RUN_ID):
            kind = f" ({parameter.ptype.__name__})" if parameter.ptype else ""
            about = f": {parameter.description}" if parameter.description else ""
            yield f"runtime parameter {name!r}{kind} has no value and no default{about}"
