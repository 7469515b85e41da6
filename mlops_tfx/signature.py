"""The arguments of a component's constructor, for ``help()``, editors and ``inspect.signature``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

_ANY_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


class ConstructorSignature:
    """A class attribute ``__signature__`` that is worked out from the declaration when it is asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._constructor = vars(owner)["__init__"]

    def __get__(self, instance: object | None, owner: Any) -> inspect.Signature:
        if owner.__init__ is not self._constructor:
            return _without_self(inspect.signature(owner.__init__))
        return _declared(owner._FIELDS, owner)  # noqa: SLF001  # this class is a part of Component


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _declared(names: tuple[str, ...], owner: Any) -> inspect.Signature:
    parameters = [_parameter(name, owner, owner.INPUTS) for name in names]
    # An argument without a default may stand after one that has one: all may be given by name.
    return inspect.Signature(parameters, __validate_parameters__=False)


def _parameter(name: str, owner: Any, inputs: Mapping[str, Any]) -> inspect.Parameter:
    port = inputs.get(name)
    if port is None:
        default = getattr(owner, name, inspect.Parameter.empty)
        return inspect.Parameter(name, _ANY_KIND, default=default, annotation=owner.PARAMETERS[name])
    default = None if port.optional else inspect.Parameter.empty
    return inspect.Parameter(name, _ANY_KIND, default=default, annotation=type(port)[port.artifact_type])
