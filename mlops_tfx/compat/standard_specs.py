"""``tfx.types.standard_component_specs``: names of ports and parameters, and specs of the standard components.

``MODEL_KEY`` is ``"model"``, and so on. ``PusherSpec`` has the ports and parameters of our Pusher: a component class
with an executor of its own takes it as SPEC_CLASS.
"""

from __future__ import annotations

import functools
import importlib
import typing
from typing import Any

from mlops_tfx.compat import messages
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

_INGESTION = ("FileBasedExampleGen", "QueryBasedExampleGen")


def __getattr__(name: str) -> Any:
    if name.endswith("_KEY") and name.isupper():
        return name.removesuffix("_KEY").lower()
    if name.endswith("Spec") and not name.startswith("_"):
        return _spec(name.removesuffix("Spec"))
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has names such as MODEL_KEY and PusherSpec"
    )


@functools.cache
def _spec(component: str) -> type[ComponentSpec]:
    """A spec with the declarations of one of our components."""
    home = importlib.import_module("mlops_tfx.ingestion" if component in _INGESTION else "mlops_tfx.components")
    cls: Any = getattr(home, component)
    parameters = {
        name: ExecutionParameter(type=_parameter_type(annotation), optional=hasattr(cls, name))
        for name, annotation in cls.PARAMETERS.items()
        if name != "custom_executor_spec"
    }
    inputs = {
        name: ChannelParameter(type=port.artifact_type, optional=port.optional) for name, port in cls.INPUTS.items()
    }
    outputs = {name: ChannelParameter(type=port.artifact_type, optional=True) for name, port in cls.OUTPUTS.items()}
    declared = {"PARAMETERS": parameters, "INPUTS": inputs, "OUTPUTS": outputs, "__module__": __name__}
    return type(f"{component}Spec", (ComponentSpec,), declared)


def _parameter_type(annotation: Any) -> Any:
    """The class of messages among the types of an annotation, which go to executors as JSON text; else anything."""
    members = (annotation, *typing.get_args(annotation))
    return next((member for member in members if messages.is_message_type(member)), Any)
