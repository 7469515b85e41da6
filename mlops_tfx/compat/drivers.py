"""Drivers of component classes written for TFX: they work out parameters and properties of outputs before a node runs.

TFX has two forms, and a class may have both: ``resolve_exec_properties`` (`BaseDriver`) and ``run`` (`PortableDriver`,
TFX's ``orchestration.portable.base_driver.BaseDriver``), which is called if there is one. What a driver says is part of
the cache key, as in TFX.
"""

from __future__ import annotations

import abc
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, PropertyValue
from mlops_tfx.compat.executors import ArtifactLists, Artifacts
from mlops_tfx.errors import UserCodeError

_KINDS = ("int_value", "double_value", "string_value", "bool_value")


@dataclass
class PipelineInfo:
    """The pipeline that a driver works for; names are empty, as TFX's local runner has them."""

    pipeline_name: str = ""
    pipeline_root: str = ""
    run_id: str | None = None


@dataclass
class ComponentInfo:
    """The component that a driver works for."""

    component_type: str = ""
    component_id: str = ""
    pipeline_info: PipelineInfo = field(default_factory=PipelineInfo)


@dataclass
class DriverArgs:
    """Arguments of a driver from TFX's orchestration; accepted for its sake."""

    enable_cache: bool = True
    interactive_resolution: bool = False


@dataclass
class ExecutionInfo:
    """What a driver's ``run`` gets.

    Attributes:
        execution_id: None; executions have ids only when they begin.
        input_dict: artifacts by input name.
        output_dict: artifacts by output name; they have no ``uri`` yet.
        exec_properties: parameters by name.
    """

    execution_id: int | None = None
    input_dict: Artifacts = field(default_factory=dict)
    output_dict: Artifacts = field(default_factory=dict)
    exec_properties: dict[str, Any] = field(default_factory=dict)
    execution_output_uri: str | None = None
    stateful_working_dir: str | None = None
    tmp_dir: str | None = None
    pipeline_node: Any = None
    pipeline_info: Any = None
    pipeline_run_id: str | None = None


@dataclass
class _Value:
    int_value: int | None = None
    double_value: float | None = None
    string_value: str | None = None
    bool_value: bool | None = None


class _Values(dict[str, _Value]):
    def __missing__(self, key: str) -> _Value:
        return self.setdefault(key, _Value())


class DriverOutput:
    """What a driver's ``run`` returns; TFX's message of this name.

    Attributes:
        exec_properties: parameters to set: ``output.exec_properties["span"].int_value = 3``.
        output_artifacts: artifacts with properties to set, by output name: lists named ``artifacts``.
    """

    def __init__(self) -> None:
        self.exec_properties = _Values()
        self.output_artifacts = ArtifactLists()


def set_metadata_value(metadata_value: Any, value: Any) -> Any:
    """Sets a value of a `DriverOutput`, as ``tfx.orchestration.data_types_utils.set_metadata_value`` does.

    Lists, dicts and the like are kept as JSON text.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        setattr(metadata_value, "int_value" if isinstance(value, int) else "double_value", value)
    else:
        metadata_value.string_value = value if isinstance(value, str) else json.dumps(value)
    return metadata_value


class BaseDriver:
    """Works out parameters before a node runs: subclasses define ``resolve_exec_properties``.

    Args:
        metadata_handle: TFX's connection to the metadata store; here None.
    """

    def __init__(self, metadata_handle: Any = None) -> None:
        self._metadata_handle = metadata_handle

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Returns the parameters that the executor gets."""
        return exec_properties

    def verify_input_artifacts(self, artifacts_dict: Mapping[str, Sequence[Artifact]]) -> None:
        """Raises RuntimeError if an input is not where it should be."""
        for artifact in (artifact for artifacts in artifacts_dict.values() for artifact in artifacts):
            if not artifact.uri or not filesystem.exists(artifact.uri):
                raise RuntimeError(f"expected files at the uri of {artifact!r}, found nothing")


class PortableDriver(abc.ABC):
    """Works out parameters and properties of outputs before a node runs: subclasses define ``run``.

    Args:
        mlmd_connection: TFX's connection to the metadata store; here None.
    """

    def __init__(self, mlmd_connection: Any = None) -> None:
        self._mlmd_connection = mlmd_connection

    @abc.abstractmethod
    def run(self, execution_info: ExecutionInfo) -> Any:
        """Returns a `DriverOutput`."""


@dataclass(frozen=True)
class Driven:
    """What a driver said.

    Attributes:
        exec_properties: all parameters.
        artifact_properties: custom properties by output name, one dict per artifact.
    """

    exec_properties: Mapping[str, Any]
    artifact_properties: Mapping[str, Sequence[Mapping[str, PropertyValue]]] = field(default_factory=dict)


def drive(
    driver_class: Any,
    component_id: str,
    inputs: Mapping[str, Sequence[Artifact]],
    output_types: Mapping[str, type[Artifact]],
    exec_properties: Mapping[str, Any],
) -> Driven:
    """Makes a driver and asks it.

    Raises:
        UserCodeError: it raised.
    """
    from mlops_tfx.execution.user_code import user_code

    with user_code(f"{driver_class.__qualname__} (the driver of {component_id})"):
        driver = driver_class(None)
        given = copy.deepcopy(dict(exec_properties))
        if hasattr(driver, "run"):
            outputs = {key: [type_()] for key, type_ in output_types.items()}
            info = ExecutionInfo(
                input_dict={key: list(value) for key, value in inputs.items()},
                output_dict=outputs,
                exec_properties=given,
            )
            return _said(driver.run(info), exec_properties)
        resolved = driver.resolve_exec_properties(given, PipelineInfo(), ComponentInfo(component_id=component_id))
        return Driven({**exec_properties, **resolved})


def _said(output: Any, exec_properties: Mapping[str, Any]) -> Driven:
    if output is None:
        return Driven(exec_properties)
    found = {key: plain_value(value) for key, value in output.exec_properties.items()}
    artifacts = {
        key: [custom_properties_of(a) for a in entry.artifacts] for key, entry in output.output_artifacts.items()
    }
    return Driven({**exec_properties, **found}, artifacts)


def custom_properties_of(artifact: Any) -> dict[str, PropertyValue]:
    """Custom properties of an artifact, or of ML Metadata's message of one, as plain values."""
    return {key: plain_value(value) for key, value in artifact.custom_properties.items()}


def plain_value(value: Any) -> Any:
    """The value in a message ``Value``, in ours of this module or in a plain value.

    Raises:
        UserCodeError: it holds none that is known.
    """
    if isinstance(value, int | float | str | list | dict):
        return value
    if isinstance(value, _Value):
        found = [kind for kind in _KINDS if getattr(value, kind) is not None]
    else:
        found = [kind for kind in _KINDS if kind in value.DESCRIPTOR.fields_by_name and value.HasField(kind)]
    if not found:
        raise UserCodeError(f"expected a value with one of {', '.join(_KINDS)}, received {value!r}")
    return getattr(value, found[0])
